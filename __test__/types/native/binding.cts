// Both native parts have the functions that `lib/` asks for, with the same types.

import type * as addon from '../../../binding';
import type { Binding } from '../../../lib/binding';

import wasm = require('../../../lib/wasm');

declare const native: typeof addon;

export const ofAddon: Binding<ReturnType<typeof native.createDecoder>> = native;
export const ofWasm: Binding<ReturnType<typeof wasm.createDecoder>> = wasm;
