use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use pinion_model::Revision;
use pinion_proto::v1;
use pinion_proto::v1::audit_service_server::AuditService;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::auth::Admission;
use super::convert::audit::entry;
use super::watch::Watch;
use super::{CallError, Context, page};
use crate::store::{AuditCursor, AuditEntry, AuditQuery};

/// Refused calls raise no revision: whoever watches looks for them this often.
const LOOK: Duration = Duration::from_secs(1);
/// Entries read at once.
const BATCH: u32 = 100;

/// Who changed what, and who was refused.
#[derive(Debug, Clone)]
pub(super) struct AuditApi(pub(super) Arc<Context>);

#[tonic::async_trait]
impl AuditService for AuditApi {
    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(
                token
                    .parse::<AuditCursor>()
                    .map_err(|_| page::invalid_token())?,
            ),
        };
        let limit = u32::try_from(size + 1).unwrap_or(u32::MAX);
        let query = AuditQuery {
            before,
            limit,
            refused_only: request.refused,
        };
        let found = self.0.ledger.audit(query).await.map_err(CallError::from)?;
        let (entries, more) = page::cut(found.iter(), size);
        let next = entries
            .last()
            .filter(|_| more)
            .map(|last| last.cursor.to_string());
        Ok(Response::new(v1::ListAuditEntriesResponse {
            entries: entries.into_iter().map(entry).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    type WatchAuditStream = Watch<v1::WatchAuditResponse>;

    async fn watch_audit(
        &self,
        request: Request<v1::WatchAuditRequest>,
    ) -> Result<Response<Self::WatchAuditStream>, Status> {
        let revisions = self.0.ledger.revisions();
        let newest = AuditQuery {
            before: None,
            limit: 1,
            refused_only: false,
        };
        let seen = self.0.ledger.audit(newest).await.map_err(CallError::from)?;
        let begin = Tail {
            context: Arc::clone(&self.0),
            admission: request.extensions().get().cloned(),
            revisions,
            seen: seen.first().map(|newest| newest.cursor),
            ready: VecDeque::new(),
            ended: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(begin, Tail::next))))
    }
}

/// Entries that are newer than what was seen.
struct Tail {
    context: Arc<Context>,
    admission: Option<Admission>,
    revisions: watch::Receiver<Revision>,
    seen: Option<AuditCursor>,
    ready: VecDeque<AuditEntry>,
    ended: bool,
}

impl Tail {
    async fn next(mut self) -> Option<(Result<v1::WatchAuditResponse, Status>, Self)> {
        while !self.ended {
            if let Some(next) = self.ready.pop_front() {
                self.seen = Some(next.cursor);
                let message = v1::WatchAuditResponse {
                    entry: Some(entry(&next)),
                };
                return Some((Ok(message), self));
            }
            tokio::select! {
                () = self.context.stop.cancelled() => return None,
                changed = self.revisions.changed() => changed.ok()?,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(status) = self.look().await {
                self.ended = true;
                return Some((Err(status), self));
            }
        }
        None
    }

    /// Reads back to what was seen, newest first, and keeps it oldest first.
    async fn look(&mut self) -> Result<(), Status> {
        self.admission
            .as_ref()
            .map_or(Ok(()), |admission| admission.check().map(drop))?;
        let mut before = None;
        loop {
            let query = AuditQuery {
                before,
                limit: BATCH,
                refused_only: false,
            };
            let found = self
                .context
                .ledger
                .audit(query)
                .await
                .map_err(CallError::from)?;
            let read = found.len();
            for entry in found {
                if self.seen.is_some_and(|seen| entry.cursor <= seen) {
                    return Ok(());
                }
                before = Some(entry.cursor);
                self.ready.push_front(entry);
            }
            if read < BATCH as usize {
                return Ok(());
            }
        }
    }
}
