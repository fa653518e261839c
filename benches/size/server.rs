//! The server: a process of its own that hands out bytes, so that what is measured is the one who reads them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::calls::Calls;
use crate::nothing;
use crate::pages::{self, Account, REGION};

/// What the server prints before its address, once it is ready.
pub(crate) const READY: &str = "serves on ";
/// Access keys that the server hands out begin so; the account follows.
pub(crate) const KEY_PREFIX: &str = "ASIA";

/// What to serve.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many accounts there are
    #[arg(long)]
    accounts: u32,
    /// How many images each of them has
    #[arg(long)]
    images: u32,
    /// How many images or snapshots are on a page
    #[arg(long)]
    page: usize,
    /// How long every answer takes, in milliseconds
    #[arg(long)]
    delay: u64,
    /// How long a page of images or snapshots takes besides, in milliseconds
    #[arg(long, default_value_t = 0)]
    page_delay: u64,
    /// The number of the account that is throttled: every call to EC2 and KMS
    #[arg(long)]
    throttled: Option<u32>,
}

struct Server {
    accounts: HashMap<String, Account>,
    throttled: Option<String>,
    delay: Duration,
    page_delay: Duration,
    calls: Calls,
}

/// Renders everything, then serves until it is killed.
pub(crate) async fn serve(args: &Args) -> Result<()> {
    let accounts = (0..args.accounts).map(|n| (pages::account_id(n), pages::render(n, args.images, args.page)));
    let server = Server {
        accounts: accounts.collect(),
        throttled: args.throttled.map(pages::account_id),
        delay: Duration::from_millis(args.delay),
        page_delay: Duration::from_millis(args.page_delay),
        calls: Calls::default(),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{READY}http://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/calls", get(calls))
        .fallback(answer)
        .with_state(Arc::new(server));
    axum::serve(listener, app).await.context("the server has failed")
}

/// The pages that were asked for since this was asked last.
async fn calls(State(server): State<Arc<Server>>) -> Response {
    json!(server.calls.take()).to_string().into_response()
}

async fn answer(State(server): State<Arc<Server>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let list = form.get("Action").filter(|action| action.starts_with("Describe"));
    let begun = list.map(|list| server.calls.begin(list));
    tokio::time::sleep(server.delay).await;
    if begun.is_some() {
        tokio::time::sleep(server.page_delay).await;
    }
    let answer = server.answer(uri.path(), &headers, &form);
    if let Some(begun) = begun {
        server.calls.end(begun);
    }
    answer.unwrap_or_else(|| {
        let text = error("InvalidAction", "The benchmark's server does not know this call");
        (StatusCode::BAD_REQUEST, text).into_response()
    })
}

impl Server {
    fn answer(&self, path: &str, headers: &HeaderMap, form: &BTreeMap<String, String>) -> Option<Response> {
        let credential = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let credential = credential.split_once("Credential=")?.1;
        let account = credential.split('/').next()?.strip_prefix(KEY_PREFIX);
        let is_throttled = account.is_some() && account == self.throttled.as_deref();
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        if target == Some("TrentService.DescribeKey") {
            return Some(describe_key(account?, is_throttled));
        }
        if let Some(text) = nothing::json(target.unwrap_or(path)) {
            let kind = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
            return Some((kind, text).into_response());
        }
        let action = form.get("Action")?;
        if is_throttled && action.starts_with("Describe") {
            let text = error("RequestLimitExceeded", "Request limit exceeded.");
            return Some((StatusCode::SERVICE_UNAVAILABLE, text).into_response());
        }
        let page = || {
            form.get("NextToken")
                .map_or(Some(0), |token| token.parse::<usize>().ok())
        };
        let patterns: Vec<String> = form
            .iter()
            .filter(|(name, _)| name.starts_with("Filter.1.Value."))
            .map(|(_, value)| value.clone())
            .collect();
        let bytes = match &**action {
            "AssumeRole" => assume_role(form.get("RoleArn")?)?,
            "GetCallerIdentity" => caller_identity(account?),
            // No snapshot is public.
            "DescribeSnapshots" if form.contains_key("RestorableBy.1") => {
                Bytes::from_static(b"<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>")
            }
            "DescribeImages" => self.accounts.get(account?)?.images.page(&patterns, page()?)?,
            "DescribeSnapshots" => self.accounts.get(account?)?.snapshots.page(&patterns, page()?)?,
            other => Bytes::from(nothing::xml(other)?),
        };
        Some(([(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], bytes).into_response())
    }
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
    )
}

fn assume_role(role: &str) -> Option<Bytes> {
    let account = role.split(':').nth(4)?;
    let text = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:bench</AssumedRoleId><Arn>{role}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{KEY_PREFIX}{account}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleResult></AssumeRoleResponse>"
    );
    Some(Bytes::from(text))
}

fn caller_identity(account: &str) -> Bytes {
    Bytes::from(format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{account}:assumed-role/amiseal/bench</Arn><UserId>AROAEXAMPLE:bench</UserId>\
         <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    ))
}

fn describe_key(account: &str, is_throttled: bool) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    if is_throttled {
        let text = json!({"__type": "ThrottlingException", "message": "Rate exceeded"}).to_string();
        return (StatusCode::BAD_REQUEST, kind, text).into_response();
    }
    let arn = pages::key_arn(account);
    let text = json!({"KeyMetadata": {
        "AWSAccountId": account,
        "Arn": arn,
        "KeyId": arn.rsplit('/').next(),
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "Enabled": true,
        "Origin": "AWS_KMS",
        "MultiRegion": false,
        "Description": format!("Images in {REGION}"),
    }});
    (kind, text.to_string()).into_response()
}
