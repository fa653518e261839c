//! Somebody who reads what migrations claim while something else happens, such as a fault.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2sim::Sim;
use kube::Client;
use rig::Objects;
use tokio::time::Instant;

use crate::truth;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);
/// How long a look may take: the fault may be that the API server never answers.
const READ: Duration = Duration::from_secs(2);

/// It borrows nothing of the stage, which the fault has to itself.
pub(crate) struct Witness {
    client: Client,
    sim: Sim,
    /// How often it could read.
    pub(crate) looks: usize,
    /// What migrations claimed at any look, and was not so.
    pub(crate) lies: BTreeSet<String>,
}

impl Witness {
    pub(crate) fn new(client: Client, sim: Sim) -> Self {
        Self {
            client,
            sim,
            looks: 0,
            lies: BTreeSet::new(),
        }
    }

    /// Looks again and again until `work` is done, and returns what came of that.
    ///
    /// Both are one task, so that no look outlasts the work, whatever ends it.
    pub(crate) async fn beside<T>(&mut self, mut work: impl Future<Output = T> + Unpin) -> T {
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = self.look() => {}
            }
        }
    }

    /// Looks once, and waits until the next look is due.
    async fn look(&mut self) {
        let began = Instant::now();
        let read = tokio::time::timeout(READ, Objects::read_migrations(&self.client)).await;
        // An error is no finding: that nobody can read is what some faults are about.
        if let Ok(Ok(objects)) = read {
            self.looks += 1;
            // Only now, after the statuses.
            let lies = self.sim.with_world(|world| truth::false_claims(&objects, world));
            self.lies.extend(lies);
        }
        tokio::time::sleep_until(began + LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Listens in the place of an API server.
    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.expect("a port")
    }

    /// A witness who asks there, and whose world is empty.
    fn witness(listener: &TcpListener) -> Witness {
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}").parse().expect("a URL");
        let mut config = kube::Config::new(url);
        // Else it wants the machine's, which may have none.
        config.root_cert = Some(Vec::new());
        let client = Client::try_from(config).expect("a client");
        Witness::new(client, Sim::from_yaml("accounts: []").expect("a world"))
    }

    /// Answers one request by a migration that claims to be verified.
    async fn answer(listener: &TcpListener) {
        let status = json!({"conditions": [{"type": "Verified", "status": "True"}]});
        let migration = json!({"kind": "AMIMigration", "metadata": {"name": "a"}, "status": status});
        let list = json!({"items": [migration]}).to_string();
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.expect("a request");
        assert!(request[..length].starts_with(b"GET /apis/amiseal.dev/v1alpha1/amimigrations HTTP/1.1\r\n"));
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            list.len()
        );
        stream
            .write_all((head + &list).as_bytes())
            .await
            .expect("an answer is taken");
    }

    #[tokio::test]
    async fn a_false_claim_is_kept_once_however_often_it_is_seen() {
        let listener = listener().await;
        let mut witness = witness(&listener);
        let work = Box::pin(async {
            answer(&listener).await;
            answer(&listener).await;
            // Whoever looks a third time has seen both.
            listener.accept().await.expect("a third look");
        });
        witness.beside(work).await;
        assert_eq!(witness.looks, 2);
        let lies: Vec<_> = witness.lies.into_iter().collect();
        assert_eq!(lies, ["AMIMigration a: there is no such account and region"]);
    }

    #[tokio::test]
    async fn a_look_that_is_not_answered_ends_and_another_one_comes() {
        let listener = listener().await;
        let mut witness = witness(&listener);
        let work = Box::pin(async {
            let unanswered = listener.accept().await.expect("a look");
            let another = listener.accept().await.expect("another look");
            drop((unanswered, another));
            "done"
        });
        assert_eq!(witness.beside(work).await, "done");
        assert_eq!((witness.looks, witness.lies.len()), (0, 0));
    }
}
