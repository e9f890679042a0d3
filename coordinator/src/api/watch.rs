use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use pinion_model::Revision;
use tokio::sync::watch;
use tonic::Status;

use super::Context;
use super::auth::Admission;

/// What a watching call answers with.
pub(super) type Watch<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What to do with one look at the World.
pub(super) enum Look<T> {
    /// Nothing to say.
    Same,
    /// Say it, and go on.
    Say(T),
    /// Say it, and look again at once.
    More(T),
    /// Say it, and end.
    Last(T),
    /// End with this error.
    Fail(Status),
}

/// Looks now and after every change, latest only: a reader that is slow
/// misses states, never the last one. Ends when the coordinator stops, and when
/// the caller may not look any more.
pub(super) fn follow<T: Send + 'static>(
    context: Arc<Context>,
    admission: Option<Admission>,
    look: impl FnMut(&Context) -> Look<T> + Send + 'static,
) -> Watch<T> {
    let revisions = context.ledger.revisions();
    let begin = Follow {
        context,
        admission,
        revisions,
        look,
        seen: None,
        ended: false,
    };
    Box::pin(stream::unfold(begin, Follow::next))
}

struct Follow<F> {
    context: Arc<Context>,
    admission: Option<Admission>,
    revisions: watch::Receiver<Revision>,
    look: F,
    seen: Option<Revision>,
    ended: bool,
}

impl<F> Follow<F> {
    async fn next<T>(mut self) -> Option<(Result<T, Status>, Self)>
    where
        F: FnMut(&Context) -> Look<T>,
    {
        while !self.ended {
            if self.seen.is_some() {
                let stop = self.context.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => return None,
                    changed = self.revisions.changed() => changed.ok()?,
                }
            }
            self.seen = Some(*self.revisions.borrow_and_update());
            if let Some(Err(status)) = self.admission.as_ref().map(Admission::check) {
                self.ended = true;
                return Some((Err(status), self));
            }
            match (self.look)(&self.context) {
                Look::Same => {}
                Look::Say(message) => return Some((Ok(message), self)),
                Look::More(message) => {
                    self.seen = None;
                    return Some((Ok(message), self));
                }
                Look::Last(message) => {
                    self.ended = true;
                    return Some((Ok(message), self));
                }
                Look::Fail(status) => {
                    self.ended = true;
                    return Some((Err(status), self));
                }
            }
        }
        None
    }
}
