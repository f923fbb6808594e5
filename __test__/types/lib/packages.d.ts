// The packages with an addon each, of which at most one is installed.
declare module '@oxws/binding-*';
