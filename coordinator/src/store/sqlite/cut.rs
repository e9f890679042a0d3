use std::sync::Arc;

use pinion_model::Revision;
use tokio::sync::mpsc;

use super::reader::Reader;
use super::writer::{Chain, Request};
use crate::store::{Snapshot, StoreError};

/// A World as it will stand in the file.
#[derive(Debug)]
pub(super) struct EncodedSnapshot {
    pub(super) revision: Revision,
    pub(super) decisions: Revision,
    pub(super) world: Vec<u8>,
}

/// Makes snapshots beside the writer, which commits them.
#[derive(Debug)]
pub(super) struct Cutter {
    requests: mpsc::WeakSender<Request>,
    reader: Arc<Reader>,
}

impl Cutter {
    pub(super) fn new(requests: mpsc::WeakSender<Request>, reader: Arc<Reader>) -> Self {
        Self { requests, reader }
    }

    /// Loads, encodes and hands over, in a thread that ends with it. The
    /// writer asks for one at a time.
    pub(super) fn start(&self) {
        let (requests, reader) = (self.requests.clone(), self.reader.clone());
        let cut = move || {
            let snapshot = reader.load().and_then(encode).inspect_err(|error| {
                tracing::error!(error = %Chain(error), "no snapshot could be made; the log is kept whole");
            });
            if let Some(requests) = requests.upgrade() {
                // The writer has ended: the next start will cut.
                let _ = requests.blocking_send(Request::Cut(snapshot.ok()));
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("store-cut".to_owned())
            .spawn(cut)
        {
            tracing::error!(%error, "no thread for cutting the log; it is tried at the next start");
        }
    }
}

fn encode(snapshot: Snapshot) -> Result<EncodedSnapshot, StoreError> {
    let world = serde_json::to_vec(&snapshot.world).map_err(StoreError::encode("the snapshot"))?;
    Ok(EncodedSnapshot {
        revision: snapshot.revision,
        decisions: snapshot.decisions,
        world,
    })
}
