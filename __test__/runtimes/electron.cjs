// As Electron says what it is.

Object.defineProperty(process.versions, 'electron', { value: '0.0.0' });
