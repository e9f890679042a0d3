//! The codec of generated code: tonic's, with small buffers.
//!
//! tonic's default is 8 KiB a direction and stream. An agent's session sends
//! a few hundred bytes at a time, and a coordinator holds thousands of them.

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// Bytes reserved at first for each message.
const BUFFER: usize = 512;
/// Bytes buffered before tonic yields to the transport.
const YIELD: usize = 32 * 1024;

/// [`ProstCodec`] with 512-byte buffers.
#[derive(Debug, Clone, Copy)]
pub struct SmallCodec<T, U>(std::marker::PhantomData<(T, U)>);

impl<T, U> Default for SmallCodec<T, U> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T, U> Codec for SmallCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER, YIELD))
    }
}
