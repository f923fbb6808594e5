// Has Node-API refuse memory of others as Electron does (napi_no_external_buffers_allowed), to
// addons that look its functions up: preloaded by the dynamic linker.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int refused;

static int refuse(void) {
  refused++;
  return 22;
}

__attribute__((destructor)) static void report(void) {
  if (refused > 0) fprintf(stderr, "refused %d\n", refused);
}

#if defined(__x86_64__)
#define VERSION "GLIBC_2.2.5"
#else
#define VERSION "GLIBC_2.17"
#endif

void *dlsym(void *handle, const char *name) {
  static void *(*real)(void *, const char *);
  if (real == NULL) real = dlvsym(RTLD_NEXT, "dlsym", VERSION);
  if (strcmp(name, "napi_create_external_buffer") == 0) return (void *)refuse;
  if (strcmp(name, "napi_create_external_arraybuffer") == 0) return (void *)refuse;
  return real(handle, name);
}
