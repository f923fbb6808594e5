//! The state of a stream, by which of the encoders its settings ask for.

use oxws_deflate::Encoder;

use super::config::{EncoderChoice, Settings};
use super::pool::Context;
use super::zlib_stream::ZlibStream;

/// The state of a stream.
pub(super) struct DeflateState {
    settings: Settings,
    stream: EncoderStream,
}

enum EncoderStream {
    Own(Encoder),
    Zlib(ZlibStream),
}

impl Context for Box<DeflateState> {
    type Key = Settings;

    fn key(&self) -> Settings {
        self.settings
    }

    fn memory(&self) -> usize {
        match &self.stream {
            EncoderStream::Own(stream) => stream.memory(),
            EncoderStream::Zlib(stream) => stream.memory(),
        }
    }
}

impl DeflateState {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { level, mem_level, window_bits, .. } = settings;
        let stream = match settings.encoder {
            EncoderChoice::Own => EncoderStream::Own(Encoder::new(level, window_bits, mem_level)),
            EncoderChoice::Zlib => EncoderStream::Zlib(ZlibStream::new(settings)),
        };
        Self { settings, stream }
    }

    /// Compresses `data` up to a byte boundary.
    pub(super) fn flush(&mut self, data: &[u8], output: &mut Vec<u8>) {
        match &mut self.stream {
            EncoderStream::Own(stream) => stream.encode(data, output),
            EncoderStream::Zlib(stream) => stream.flush(data, output),
        }
    }

    pub(super) fn reset(&mut self) {
        match &mut self.stream {
            EncoderStream::Own(stream) => stream.reset(),
            EncoderStream::Zlib(stream) => stream.reset(),
        }
    }

    pub(super) fn set_dictionary(&mut self, dictionary: &[u8]) {
        match &mut self.stream {
            EncoderStream::Own(stream) => stream.set_dictionary(dictionary),
            EncoderStream::Zlib(stream) => stream.set_dictionary(dictionary),
        }
    }
}
