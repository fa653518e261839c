//! What only etcd's own interface can do: see how full it is, and make room.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::control_plane::ControlPlane;
use crate::http::exchange;

/// Defragmentation takes the longest.
const TIMEOUT: Duration = Duration::from_secs(120);

impl ControlPlane {
    /// Whether etcd refuses to store more, since its quota is used up.
    pub async fn etcd_is_full(&self) -> Result<bool> {
        Ok(!self.full_members().await?.is_empty())
    }

    /// What an operator does about a full etcd once what filled it is deleted: forgets old revisions, gives free pages
    /// back, and takes the alarm away.
    pub async fn make_room_in_etcd(&self) -> Result<()> {
        let status = self.ask_etcd("maintenance/status", &json!({})).await?;
        let revision = &status["header"]["revision"];
        self.ask_etcd("kv/compaction", &json!({"revision": revision, "physical": true}))
            .await?;
        self.ask_etcd("maintenance/defragment", &json!({})).await?;
        // An alarm is a member's own.
        for member in self.full_members().await? {
            let off = json!({"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": member});
            self.ask_etcd("maintenance/alarm", &off).await?;
        }
        ensure!(!self.etcd_is_full().await?, "etcd is full again at once");
        Ok(())
    }

    /// The members of etcd that have no space left.
    async fn full_members(&self) -> Result<Vec<Value>> {
        let answer = self.ask_etcd("maintenance/alarm", &json!({"action": "GET"})).await?;
        let alarms = answer["alarms"].as_array().into_iter().flatten();
        let full = alarms.filter(|alarm| alarm["alarm"] == "NOSPACE");
        Ok(full.map(|alarm| alarm["memberID"].clone()).collect())
    }

    /// Asks etcd by its JSON gateway, on the socket that only we reach.
    async fn ask_etcd(&self, what: &str, question: &Value) -> Result<Value> {
        let asked = async {
            let stream = UnixStream::connect(self.etcd_socket()).await?;
            let body = question.to_string();
            let length = body.len();
            let request = format!("POST /v3/{what} HTTP/1.0\r\nHost: etcd\r\nContent-Length: {length}\r\n\r\n{body}");
            let (status, answer) = exchange(stream, &request).await?;
            ensure!(status == 200, "etcd answers {status}: {}", answer.trim());
            serde_json::from_str(&answer).context("etcd's answer is not JSON")
        };
        tokio::time::timeout(TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {TIMEOUT:?}")))
            .with_context(|| format!("cannot ask etcd for {what}"))
    }
}
