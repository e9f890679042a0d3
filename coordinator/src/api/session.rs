//! `AgentService`: the stream between the coordinator and one agent.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use pinion_model::AgentId;
use pinion_proto::v1::agent_service_server::{AgentService, AgentServiceServer};
use pinion_proto::v1::{SessionRequest, SessionResponse};
use tonic::{Request, Response, Status, Streaming};

use crate::identity::Peer;
use crate::sessions::{Session, Sessions};

/// Largest message that an agent may send, in bytes: a report with the longest
/// log tail fits.
const MESSAGE_IN: usize = 64 * 1024;
/// Largest message that an agent is sent, in bytes.
const MESSAGE_OUT: usize = 256 * 1024;

/// Serves the sessions of agents.
#[derive(Debug, Clone)]
pub struct AgentApi {
    sessions: Arc<Sessions>,
}

impl AgentApi {
    /// The service with its limits on messages. Whoever calls it must have a
    /// [`Peer`] in the request's extensions.
    #[must_use]
    pub fn server(sessions: Arc<Sessions>) -> AgentServiceServer<Self> {
        AgentServiceServer::new(Self { sessions })
            .max_decoding_message_size(MESSAGE_IN)
            .max_encoding_message_size(MESSAGE_OUT)
    }
}

#[tonic::async_trait]
impl AgentService for AgentApi {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionResponse, Status>> + Send>>;

    /// Answers with a stream at once; what keeps a session from beginning ends
    /// that stream.
    async fn session(
        &self,
        request: Request<Streaming<SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let agent = request
            .extensions()
            .get::<Peer>()
            .and_then(Peer::agent)
            .cloned();
        let agent = agent.ok_or_else(|| {
            Status::unauthenticated("a session needs the certificate of an agent")
        })?;
        let begin = Turn::Begin(self.sessions.clone(), agent, Box::new(request.into_inner()));
        Ok(Response::new(Box::pin(stream::unfold(begin, Turn::next))))
    }
}

/// Where a stream is: each answer is made when the transport asks for it.
enum Turn {
    Begin(Arc<Sessions>, AgentId, Box<Streaming<SessionRequest>>),
    Live(Box<Session<Streaming<SessionRequest>>>),
    End,
}

impl Turn {
    async fn next(self) -> Option<(Result<SessionResponse, Status>, Self)> {
        let mut session = match self {
            Self::Begin(sessions, agent, inbound) => match sessions.open(agent, *inbound).await {
                Ok(session) => Box::new(session),
                Err(error) => return Some((Err(error.into()), Self::End)),
            },
            Self::Live(session) => session,
            Self::End => return None,
        };
        match session.next().await? {
            Ok(answer) => Some((Ok(answer), Self::Live(session))),
            Err(status) => Some((Err(status), Self::End)),
        }
    }
}
