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
use crate::store::{AuditCursor, AuditEntry, AuditKind, AuditQuery};

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
            only: request.refused.then_some(AuditKind::Refusal),
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
        let begin = Tail {
            context: Arc::clone(&self.0),
            admission: request.extensions().get().cloned(),
            revisions,
            decisions: Seen::all(&self.0, AuditKind::Decision).await?,
            refusals: Seen::all(&self.0, AuditKind::Refusal).await?,
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
    decisions: Seen,
    refusals: Seen,
    ready: VecDeque<AuditEntry>,
    ended: bool,
}

impl Tail {
    async fn next(mut self) -> Option<(Result<v1::WatchAuditResponse, Status>, Self)> {
        while !self.ended {
            if let Some(next) = self.ready.pop_front() {
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

    async fn look(&mut self) -> Result<(), Status> {
        self.admission
            .as_ref()
            .map_or(Ok(()), |admission| admission.check().map(drop))?;
        let mut found = self.decisions.newer(&self.context).await?;
        found.append(&mut self.refusals.newer(&self.context).await?);
        found.sort_by_key(|entry| entry.cursor);
        self.ready.extend(found);
        Ok(())
    }
}

/// How far one kind of entries was seen. A refusal is written a while after it
/// happened, so that decisions come before it that are younger.
struct Seen {
    kind: AuditKind,
    last: Option<AuditCursor>,
}

impl Seen {
    /// All that is there.
    async fn all(context: &Context, kind: AuditKind) -> Result<Self, CallError> {
        let newest = AuditQuery {
            before: None,
            limit: 1,
            only: Some(kind),
        };
        let newest = context.ledger.audit(newest).await?;
        let last = newest.first().map(|newest| newest.cursor);
        Ok(Self { kind, last })
    }

    /// Reads back, newest first, to what was seen.
    async fn newer(&mut self, context: &Context) -> Result<Vec<AuditEntry>, CallError> {
        let mut newer: Vec<AuditEntry> = Vec::new();
        loop {
            let query = AuditQuery {
                before: newer.last().map(|oldest| oldest.cursor),
                limit: BATCH,
                only: Some(self.kind),
            };
            let found = context.ledger.audit(query).await?;
            let unseen = found
                .into_iter()
                .take_while(|entry| self.last.is_none_or(|last| last < entry.cursor));
            let before = newer.len();
            newer.extend(unseen);
            if newer.len() - before < BATCH as usize {
                self.last = newer.first().map(|newest| newest.cursor).or(self.last);
                return Ok(newer);
            }
        }
    }
}
