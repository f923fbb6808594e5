//! permessage-deflate of a connection: its two contexts, made when they are first needed.

use super::{ConnectionConfig, ConnectionError, SendError};
use oxws::protocol::deflate::{
    Compressor, CompressorConfig, Decompressor, DecompressorConfig, Parameters,
};
use oxws::protocol::{Event, Opcode, Payload, ProtocolError, Role, Utf8Validator};

/// ws's default for [`CompressionConfig::threshold`].
const DEFAULT_THRESHOLD: usize = 1024;

/// How messages are compressed and decompressed.
#[derive(Clone, Debug)]
pub struct CompressionConfig {
    /// How to compress.
    pub compressor: CompressorConfig,
    /// How to decompress.
    pub decompressor: DecompressorConfig,
    /// Messages whose first fragment is shorter stay as they are when each message starts with an
    /// empty window; with context takeover all are compressed. Default: 1024.
    pub threshold: usize,
}

impl CompressionConfig {
    /// The configuration of the endpoint `role` under the agreed parameters.
    #[must_use]
    pub fn new(role: Role, agreed: &Parameters) -> Self {
        Self {
            compressor: CompressorConfig {
                window_bits: agreed.max_window_bits(role),
                no_context_takeover: agreed.no_context_takeover(role),
                ..CompressorConfig::default()
            },
            decompressor: DecompressorConfig {
                window_bits: agreed.max_window_bits(role.peer()),
                no_context_takeover: agreed.no_context_takeover(role.peer()),
                ..DecompressorConfig::default()
            },
            threshold: DEFAULT_THRESHOLD,
        }
    }
}

/// The sending side.
#[derive(Debug, Default)]
pub(super) struct Deflater {
    compressor: Option<Compressor>,
    /// Whether the message that is under way is compressed.
    compresses: bool,
}

impl Deflater {
    /// Compresses a fragment; none if its message stays as it is.
    pub(super) fn deflate(
        &mut self,
        config: &CompressionConfig,
        data: &[u8],
        is_first: bool,
        fin: bool,
    ) -> Result<Option<Vec<u8>>, SendError> {
        if is_first {
            self.compresses =
                !config.compressor.no_context_takeover || data.len() >= config.threshold;
        }
        if !self.compresses {
            return Ok(None);
        }
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(config.compressor.clone())?),
        };
        Ok(Some(compressor.compress(data, fin)))
    }
}

/// The receiving side.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    decompressor: Option<Decompressor>,
    /// The message that is under way.
    message: Vec<u8>,
    /// The inflated lengths of its non-empty fragments.
    fragments: Vec<usize>,
    utf8: Utf8Validator,
    /// Whether the message has had a frame before.
    fragmented: bool,
}

impl Inflater {
    /// Inflates a frame; the message if it is the last one.
    pub(super) fn inflate(
        &mut self,
        config: &ConnectionConfig,
        compression: &CompressionConfig,
        opcode: Opcode,
        fin: bool,
        data: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let start = self.message.len();
        let limit = match config.limits.max_payload {
            0 => None,
            max => Some(max.saturating_sub(start as u64)),
        };
        self.decompressor
            .get_or_insert_with(|| Decompressor::new(compression.decompressor.clone()))
            .decompress_into(data, fin, limit, &mut self.message)?;
        let validates = opcode == Opcode::Text && !config.skip_utf8_validation;
        if validates {
            self.utf8.push(&self.message[start..]).map_err(ProtocolError::from)?;
        }
        if self.message.len() > start {
            self.fragments.push(self.message.len() - start);
        }
        if !fin {
            self.fragmented = true;
            return Ok(None);
        }
        if validates {
            self.utf8.finish().map_err(ProtocolError::from)?;
        }
        let mut fragments = std::mem::take(&mut self.fragments);
        if !std::mem::take(&mut self.fragmented) {
            fragments = Vec::new();
        }
        let payload = Payload::Owned(std::mem::take(&mut self.message));
        Ok(Some(match opcode {
            Opcode::Text => Event::Text { payload, fragments },
            _ => Event::Binary { payload, fragments },
        }))
    }
}
