// What `lib/` asks of a native part for everything but the engine: the one interface that the addon
// (`src/binding`) and the WebAssembly build (`src/wasm`, `lib/wasm`) give. `npm test -- types`
// holds both against it.

import type * as addon from '../binding';

/** The numbers that both languages know. */
export type Numbers =
  | 'FINAL_FRAME'
  | 'LARGE_INPUT'
  | 'LARGE_OUTPUT'
  | 'RECORD_BINARY'
  | 'RECORD_CLOSE'
  | 'RECORD_COMPRESSED'
  | 'RECORD_ERROR'
  | 'RECORD_FIELDS'
  | 'RECORD_PING'
  | 'RECORD_PONG'
  | 'RECORD_TEXT';

/** The opening handshake. */
type Handshake =
  | 'acceptDeflateOffer'
  | 'acceptDeflateResponse'
  | 'acceptKey'
  | 'isValidKey'
  | 'parseExtensions'
  | 'parseSubprotocols';

/** Frames: the decoder, headers, masking, small checks. */
type Frames =
  | 'createDecoder'
  | 'decode'
  | 'decoderError'
  | 'encodeHeader'
  | 'fillMaskingKey'
  | 'fragmentLengths'
  | 'isBetweenMessages'
  | 'isValidCloseCode'
  | 'isValidUtf8'
  | 'mask'
  | 'messageLengthError'
  | 'setDecoderLimits'
  | 'takePayload'
  | 'totalPayloadLength'
  | 'unmask'
  | 'utf8Error';

/** permessage-deflate, and what is done about memory. */
type Compression =
  | 'DeflationQueue'
  | 'Deflater'
  | 'Inflater'
  | 'WorkResults'
  | 'keepFreedMemory'
  | 'setConcurrencyLimit'
  | 'setContextMemoryLimit';

type AddonDecoder = ReturnType<typeof addon.createDecoder>;

/** Functions of the addon, with another decoder in place of its own. */
type With<Decoder, Functions> = {
  [Name in keyof Functions]: Functions[Name] extends (
    decoder: AddonDecoder,
    ...rest: infer Rest
  ) => infer Result
    ? (decoder: Decoder, ...rest: Rest) => Result
    : Functions[Name] extends (...parameters: infer Parameters) => AddonDecoder
      ? (...parameters: Parameters) => Decoder
      : Functions[Name];
};

/** A native part. What it calls a decoder is its own. */
export type Binding<Decoder> = With<
  Decoder,
  Pick<typeof addon, Numbers | Handshake | Frames | Compression | 'version'>
>;
