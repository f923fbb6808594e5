'use strict';

// A certificate for `localhost` and 127.0.0.1 that nobody trusts, with its key. For tests only;
// valid for a hundred years.

const cert = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUGfOVsGcf0gZfgi6xwh8zarUlfoIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAyNTU1OVoYDzIxMjYxMDI4
MDI1NTU5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATKK8UYw5wCytHRW8xLJVj7mptOSqxcj+nIB7dOTjDUOZ52iFiVG32C
NFMMbbKtsClNjowPZx098M2kpkE/TBW5o28wbTAdBgNVHQ4EFgQUwls795YGEunr
IbhUya5oDfhm1hgwHwYDVR0jBBgwFoAUwls795YGEunrIbhUya5oDfhm1hgwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAOZtb7EkY/UaRqhQzPhZD1hrn3vtwgbPDqjvQxPyiv+MAiEA
ixyUw/K96YK3lJaKVA0lAS3RZ/tMSEN5LFrFp6lc7sM=
-----END CERTIFICATE-----
`;

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguI/vVLS7zBk5nHyc
IzB9csO3Yf/RnMaFQu7iSuH22zOhRANCAATKK8UYw5wCytHRW8xLJVj7mptOSqxc
j+nIB7dOTjDUOZ52iFiVG32CNFMMbbKtsClNjowPZx098M2kpkE/TBW5
-----END PRIVATE KEY-----
`;

module.exports = { cert, key };
