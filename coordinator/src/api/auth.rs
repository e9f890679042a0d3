use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use pinion_proto::roles::METHODS;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::authentication::{Authenticator, Denied, TokenHash, bearer};
use crate::identity::{Peer, Presented};
use crate::ledger::Ledger;
use crate::listen::ConnectionInfo;
use crate::store::RefusedCall;

/// Lets a call in or not, and puts the [`Peer`] who makes it into its extensions.
#[derive(Debug, Clone)]
pub struct AuthLayer(Arc<Auth>);

#[derive(Debug)]
struct Auth {
    authenticator: Authenticator,
    ledger: Arc<Ledger>,
    tokens: bool,
}

impl AuthLayer {
    /// For a listener on which API tokens count (`tokens`) or do not.
    #[must_use]
    pub fn new(authenticator: Authenticator, ledger: Arc<Ledger>, tokens: bool) -> Self {
        Self(Arc::new(Auth {
            authenticator,
            ledger,
            tokens,
        }))
    }
}

/// What a caller showed. Who that is now can be asked again for as long as
/// the call lasts.
#[derive(Clone)]
pub(crate) struct Admission {
    auth: Arc<Auth>,
    presented: Presented,
    token: Option<TokenHash>,
    path: String,
}

impl Admission {
    fn of<B>(auth: &Arc<Auth>, request: &Request<B>) -> Self {
        let connection = request.extensions().get::<ConnectionInfo>();
        let token = auth.tokens.then(|| bearer(request.headers())).flatten();
        Self {
            auth: Arc::clone(auth),
            presented: connection.map_or(Presented::Nothing, |from| from.presented.clone()),
            token,
            path: request.uri().path().to_owned(),
        }
    }

    /// Whoever may make this call now.
    ///
    /// # Errors
    ///
    /// If the caller may not (any more), which is counted and audited.
    pub(crate) fn check(&self) -> Result<Peer, Status> {
        let authenticator = &self.auth.authenticator;
        let known = match (authenticator.by_certificate(&self.presented), &self.token) {
            (Ok(Peer::Anonymous), Some(token)) => authenticator.by_token(token),
            (known, _) => known,
        };
        let (peer, allowed) = match known {
            Ok(peer) => (peer.clone(), authenticator.may_call(&peer, &self.path)),
            // Whoever is not known may still do what anyone may: enrol again.
            Err(why) => {
                let anyone = authenticator.may_call(&Peer::Anonymous, &self.path);
                (Peer::Anonymous, anyone.map_err(|_| why))
            }
        };
        match allowed {
            Ok(()) => Ok(peer),
            Err(why) => Err(self.auth.refuse(&peer, &self.path, &why)),
        }
    }
}

impl Auth {
    fn refuse(&self, peer: &Peer, path: &str, why: &Denied) -> Status {
        let actor = (!matches!(peer, Peer::Anonymous)).then(|| peer.actor());
        self.ledger.refused(RefusedCall {
            at: self.ledger.clock(),
            actor,
            subject: path.to_owned(),
            detail: why.to_string(),
            count: 1,
        });
        match why {
            Denied::Unknown(message) => Status::unauthenticated(message),
            Denied::Forbidden(message) => Status::permission_denied(message),
        }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService {
            inner,
            auth: Arc::clone(&self.0),
        }
    }
}

/// See [`AuthLayer`].
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    auth: Arc<Auth>,
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let admission = Admission::of(&self.auth, &request);
        match admission.check() {
            Ok(peer) => {
                count(&admission.path);
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(admission);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

/// Counts a call that was let in. A path of no method of ours is "other", so
/// that no caller makes up series.
fn count(path: &str) {
    let known = METHODS.iter().find(|known| **known == path);
    let method = known.copied().unwrap_or("other");
    metrics::counter!("pinion_calls_total", "method" => method).increment(1);
}
