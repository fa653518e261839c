//! SQS, standard queues: GetQueueUrl, SendMessage, ReceiveMessage, DeleteMessage, DeleteMessageBatch.

mod delete;
mod md5;
mod receive;
mod send;

pub(crate) use receive::{keep_back, long_poll};

use serde_json::json;

use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::iam::Ask;
use crate::model::{Message, Queue};
use crate::spec::is_account_id;
use crate::wire::ApiError;

struct Operation {
    name: &'static str,
    /// The action that permits it; that of a batch is the action of its single calls.
    action: &'static str,
    run: fn(&mut State, &Request) -> Outcome,
}

const OPERATIONS: [Operation; 5] = [
    Operation {
        name: "GetQueueUrl",
        action: "sqs:GetQueueUrl",
        run: url,
    },
    Operation {
        name: "SendMessage",
        action: "sqs:SendMessage",
        run: send::run,
    },
    Operation {
        name: "ReceiveMessage",
        action: "sqs:ReceiveMessage",
        run: receive::run,
    },
    Operation {
        name: "DeleteMessage",
        action: "sqs:DeleteMessage",
        run: delete::one,
    },
    Operation {
        name: "DeleteMessageBatch",
        action: "sqs:DeleteMessage",
        run: delete::batch,
    },
];

/// Runs an operation of SQS.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    let Some(operation) = OPERATIONS.iter().find(|o| o.name == request.operation) else {
        return Err(request.service.unknown_operation(&request.operation));
    };
    let (account, name) = named(request)?;
    let partition = state.world.partition(&account);
    let arn = format!("arn:{partition}:sqs:{}:{account}:{name}", request.region);
    if !request.may_do(&Ask::of(operation.action, &arn)) {
        return Err(request.service.denied(&request.caller.arn, operation.action, &arn));
    }
    (operation.run)(state, request)
}

/// Account and name of the queue that a call is about. Of its URL the last two segments count.
fn named(request: &Request) -> Result<(String, String), ApiError> {
    if request.operation == "GetQueueUrl" {
        let owner = request.params.get("QueueOwnerAWSAccountId");
        let account = owner.unwrap_or_else(|| request.account()).to_owned();
        return Ok((account, request.params.required("QueueName")?.to_owned()));
    }
    let url = request.params.required("QueueUrl")?;
    let found = of_url(url).map(|(account, name)| (account.to_owned(), name.to_owned()));
    found.ok_or_else(|| {
        ApiError::new(
            "InvalidAddress",
            format!("The address {url} is not valid for this endpoint."),
        )
    })
}

/// Account and name in the URL of a queue.
fn of_url(url: &str) -> Option<(&str, &str)> {
    let mut segments = url.trim_end_matches('/').rsplit('/');
    let (name, account) = (segments.next()?, segments.next()?);
    is_account_id(account).then_some((account, name))
}

/// The queue that a call is about: it must be there, and in the caller's account.
fn queue<'a>(state: &'a mut State, request: &Request) -> Result<&'a mut Queue, ApiError> {
    let (account, name) = named(request)?;
    if account != request.account() {
        return Err(ApiError::with_status(
            403,
            "AccessDenied",
            format!("Access to the resource {name} of account {account} is denied."),
        ));
    }
    let region = state.world.region_mut(&account, &request.region);
    let found = region.and_then(|region| region.queues.iter_mut().find(|queue| queue.name == name));
    found.ok_or_else(|| {
        ApiError::new(
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        )
    })
}

/// Runs GetQueueUrl: the URL is of the endpoint that was asked.
fn url(state: &mut State, request: &Request) -> Outcome {
    let name = queue(state, request)?.name.clone();
    let endpoint = match &request.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => format!("https://sqs.{}.amazonaws.com", request.region),
    };
    let url = format!("{endpoint}/{}/{name}", request.account());
    Ok(Done::json(json!({ "QueueUrl": url })))
}

/// A whole number in these bounds.
fn number(request: &Request, name: &str, (smallest, largest): (u32, u32)) -> Result<Option<u32>, ApiError> {
    let Some(text) = request.params.get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(n) if (smallest..=largest).contains(&n) => Ok(Some(n)),
        _ => Err(request.service.invalid(format!(
            "Value {text} for parameter {name} is invalid. Reason: Must be between {smallest} and {largest}, if provided."
        ))),
    }
}

impl State {
    /// Puts a message into a queue, from which it can be received from `visible_at` on. Returns its ID, if the queue is there.
    pub(crate) fn put_message(
        &mut self,
        (account, region, queue): (&str, &str, &str),
        body: &str,
        (now, visible_at): (SimTime, SimTime),
    ) -> Option<String> {
        let known = &self.world.region(account, region)?.queues;
        known.iter().find(|one| one.name == queue)?;
        let id = self.request_id();
        let region = self.world.region_mut(account, region)?;
        let queue = region.queues.iter_mut().find(|one| one.name == queue)?;
        queue.messages.push(Message {
            id: id.clone(),
            body: body.to_owned(),
            sent: now,
            visible_at,
            first_received: None,
            receives: 0,
            outlived: false,
        });
        Some(id)
    }
}
