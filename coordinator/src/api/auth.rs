use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::authentication::{Authenticator, Denied, bearer};
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

impl Auth {
    /// Who makes this call, if they may.
    fn admit<B>(&self, request: &Request<B>) -> Result<Peer, Status> {
        let connection = request.extensions().get::<ConnectionInfo>();
        let presented = connection.map_or(&Presented::Nothing, |connection| &connection.presented);
        let path = request.uri().path();
        let known = match self.authenticator.by_certificate(presented) {
            Ok(Peer::Anonymous) if self.tokens => bearer(request.headers())
                .map_or(Ok(Peer::Anonymous), |token| {
                    self.authenticator.by_token(token)
                }),
            known => known,
        };
        let (peer, denied) = match known {
            Ok(peer) => (peer.clone(), self.authenticator.may_call(&peer, path)),
            // Whoever is not known may still do what anyone may: enrol again.
            Err(why) => (
                Peer::Anonymous,
                self.authenticator
                    .may_call(&Peer::Anonymous, path)
                    .map_err(|_| why),
            ),
        };
        denied
            .map(|()| peer.clone())
            .map_err(|why| self.refuse(&peer, path, &why))
    }

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
        match self.auth.admit(&request) {
            Ok(peer) => {
                request.extensions_mut().insert(peer);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
