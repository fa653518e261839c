//! From an HTTP request to an operation and back: who calls, what strikes, what is permitted, what is written down.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::http;
use serde_json::Value;

use super::{Directive, Outcome, Request, State};
use crate::clock::{Clock, SimTime};
use crate::faults::{Act, Subject};
use crate::iam::{Caller, Policy};
use crate::journal::Call;
use crate::spec::{OptIn, TimeSource};
use crate::wire::{self, ApiError, Credential, Params, Service};
use crate::{ec2, kms, sts};

/// Answers one AWS request.
pub(crate) fn handle(state: &mut State, clock: &Clock, http: &http::Request<Bytes>) -> http::Response<Bytes> {
    let request_id = state.request_id();
    let raw = Raw::read(http);
    let now = clock.now();
    let mut call = Call {
        seq: state.journal.len() as u64 + 1,
        time: now,
        real_time: (!clock.is_stepped()).then(|| clock.real_now()),
        account: String::new(),
        principal: String::new(),
        region: String::new(),
        service: raw.service.as_str().to_owned(),
        operation: raw.operation.clone(),
        params: raw.params.as_map().clone(),
        dry_run: false,
        outcome: String::new(),
        status: 200,
        mutating: is_mutating(raw.service, &raw.operation),
        effect: false,
        effects: Vec::new(),
        effect_time: None,
        fault: None,
    };
    let (outcome, directive) = match identify(state, clock, http, &raw, &mut call) {
        Ok(request) => execute(state, request, &mut call),
        Err(error) => (Err(error), Directive::default()),
    };
    let mut response = match &outcome {
        Ok(done) => wire::success(raw.service, &raw.operation, &done.body, &request_id),
        Err(error) => wire::failure(raw.service, error, &request_id),
    };
    call.status = response.status().as_u16();
    call.outcome = match &outcome {
        _ if directive.drop => "ConnectionDropped".to_owned(),
        Ok(_) => "OK".to_owned(),
        Err(error) => error.code.clone(),
    };
    state.journal.push(call);
    response.extensions_mut().insert(directive);
    response
}

/// A request before it is known who makes it.
struct Raw {
    service: Service,
    operation: String,
    params: Params,
    json: Value,
}

impl Raw {
    fn read(http: &http::Request<Bytes>) -> Self {
        let target = http.headers().get("x-amz-target").and_then(|v| v.to_str().ok());
        if let Some(target) = target {
            let json: Value = serde_json::from_slice(http.body()).unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or(target).to_owned();
            let params = json.as_object().map_or_else(BTreeMap::new, |o| {
                o.iter()
                    .map(|(k, v)| {
                        let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                        (k.clone(), text)
                    })
                    .collect()
            });
            return Self {
                service: Service::Kms,
                operation,
                params: Params::from_map(params),
                json,
            };
        }
        let mut map = http
            .uri()
            .query()
            .map(|q| Params::from_form(q.as_bytes()).as_map().clone())
            .unwrap_or_default();
        map.extend(Params::from_form(http.body()).as_map().clone());
        let operation = map.remove("Action").unwrap_or_default();
        let version = map.remove("Version").unwrap_or_default();
        let service = if version == "2011-06-15" {
            Service::Sts
        } else {
            Service::Ec2
        };
        Self {
            service,
            operation,
            params: Params::from_map(map),
            json: Value::Null,
        }
    }
}

fn is_mutating(service: Service, operation: &str) -> bool {
    service == Service::Ec2 && ec2::find(operation).is_some_and(|op| op.mutating)
}

fn identify(
    state: &mut State,
    clock: &Clock,
    http: &http::Request<Bytes>,
    raw: &Raw,
    call: &mut Call,
) -> Result<Request, ApiError> {
    let credential = Credential::from_headers(http.headers())?;
    call.region.clone_from(&credential.region);
    if credential.service != raw.service.as_str() {
        return Err(ApiError::with_status(
            403,
            "SignatureDoesNotMatch",
            format!(
                "Credential should be scoped to correct service: '{}'.",
                raw.service.as_str()
            ),
        ));
    }
    let session_now = session_time(state, clock.now(), clock.real_now());
    let caller = find_caller(state, raw.service, &credential, session_now)?;
    call.account.clone_from(&caller.account);
    call.principal.clone_from(&caller.arn);
    let dry_run = raw.service == Service::Ec2 && raw.params.flag("DryRun")?;
    call.dry_run = dry_run;
    Ok(Request {
        seq: call.seq,
        now: call.time,
        real_now: clock.real_now(),
        service: raw.service,
        operation: raw.operation.clone(),
        caller,
        region: credential.region,
        params: raw.params.clone(),
        json: raw.json.clone(),
        dry_run,
        lie: None,
    })
}

/// Now, by the clock that sessions expire by.
pub(crate) fn session_time(state: &State, now: SimTime, real_now: SimTime) -> SimTime {
    match state.settings.sessions.time {
        TimeSource::Real => real_now,
        TimeSource::Simulated => now,
    }
}

fn find_caller(state: &State, service: Service, credential: &Credential, now: SimTime) -> Result<Caller, ApiError> {
    let unknown = || match service {
        Service::Ec2 => ApiError::with_status(
            401,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
        ),
        Service::Sts => ApiError::with_status(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        Service::Kms => ApiError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
    };
    if let Some(identity) = state
        .world
        .identities
        .iter()
        .find(|i| i.access_key == credential.access_key)
    {
        return Ok(Caller {
            account: identity.account.clone(),
            arn: identity.arn.clone(),
            role_arn: None,
            user_id: format!("AIDA{}", identity.access_key),
            allow: identity.allow.clone(),
            statements: Policy::default(),
            policy: None,
        });
    }
    let session = state
        .sessions
        .get(&credential.access_key)
        .filter(|s| credential.session_token.as_deref() == Some(&s.token))
        .ok_or_else(unknown)?;
    if now >= session.expires {
        return Err(match service {
            Service::Ec2 => ApiError::new("RequestExpired", "Request has expired."),
            Service::Sts => ApiError::with_status(
                403,
                "ExpiredToken",
                "The security token included in the request is expired",
            ),
            Service::Kms => ApiError::new(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
        });
    }
    let role = state
        .world
        .accounts
        .get(&session.account)
        .and_then(|a| a.roles.get(&session.role))
        .ok_or_else(unknown)?;
    Ok(Caller {
        account: session.account.clone(),
        arn: sts::session_arn(&state.world, &session.account, &session.role, &session.name),
        role_arn: Some(role.arn.clone()),
        user_id: format!("{}:{}", sts::role_id(&role.arn), session.name),
        allow: role.allow.clone(),
        statements: role.statements.clone(),
        policy: session.policy.clone(),
    })
}

fn execute(state: &mut State, mut request: Request, call: &mut Call) -> (Outcome, Directive) {
    let mut directive = Directive::default();
    let struck = strike(state, &request);
    if let Some((name, _)) = &struck {
        call.fault = Some(name.clone());
    }
    let act = struck.map(|(_, act)| act);
    match &act {
        Some(Act::FailBefore(failure)) => return (Err(failure.error()), directive),
        Some(Act::Throttle) => return (Err(throttled(request.service)), directive),
        Some(Act::DropBefore) => {
            directive.drop = true;
            return (Err(ApiError::new("Dropped", "")), directive);
        }
        Some(Act::DelayEffect(seconds)) => {
            directive.drop = true;
            let at = request.now.plus_seconds(seconds.max(0.0));
            state.deferred.push((at, request));
            return (Err(ApiError::new("Dropped", "")), directive);
        }
        Some(Act::DelayReply(seconds)) => {
            directive.delay = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
        }
        Some(Act::CopyUnencrypted | Act::CopyUnderKey(_) | Act::CopyAttribute(_)) => {
            request.lie.clone_from(&act);
        }
        Some(Act::FailAfter(_) | Act::DropAfter) | None => {}
    }
    if !admit(state, &request) {
        return (Err(throttled(request.service)), directive);
    }
    if matches!(request.operation.as_str(), "DescribeImages" | "DescribeSnapshots") {
        let page = Duration::try_from_secs_f64(state.settings.lists.page_seconds).unwrap_or_default();
        directive.delay = directive.delay.max(page);
    }
    let outcome = run(state, &request);
    if let Ok(done) = &outcome {
        call.effect = done.effect;
        call.effects.clone_from(&done.effects);
    }
    match act {
        Some(Act::FailAfter(failure)) => (Err(failure.error()), directive),
        Some(Act::DropAfter) => {
            directive.drop = true;
            (outcome, directive)
        }
        _ => (outcome, directive),
    }
}

fn strike(state: &mut State, request: &Request) -> Option<(String, Act)> {
    let subject = Subject {
        service: request.service,
        operation: &request.operation,
        account: request.account(),
        principal: &request.caller.arn,
        region: &request.region,
        params: request.params.as_map(),
        dry_run: request.dry_run,
    };
    let rng = &mut state.rng;
    state.faults.strike(&subject, || rand::Rng::random::<f64>(rng))
}

fn admit(state: &mut State, request: &Request) -> bool {
    let settings = &state.settings.throttling;
    if !settings.enabled {
        return true;
    }
    let now = match settings.time {
        TimeSource::Real => request.real_now,
        TimeSource::Simulated => request.now,
    };
    state.throttle.admit(
        (request.account(), &request.region),
        request.service,
        &request.operation,
        &request.params,
        settings.scale,
        now,
    )
}

fn throttled(service: Service) -> ApiError {
    match service {
        Service::Ec2 => ApiError::with_status(503, "RequestLimitExceeded", "Request limit exceeded."),
        Service::Kms => ApiError::new(
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        Service::Sts => ApiError::new("Throttling", "Rate exceeded"),
    }
}

/// Checks that the caller may, and does it.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    match request.service {
        Service::Ec2 => {
            check_region(state, request)?;
            ec2::run(state, request)
        }
        Service::Kms => {
            check_region(state, request)?;
            kms::run(state, request)
        }
        Service::Sts => {
            if check_region(state, request).is_err() {
                return Err(ApiError::with_status(
                    403,
                    "InvalidClientTokenId",
                    "The security token included in the request is invalid.",
                ));
            }
            sts::run(state, request)
        }
    }
}

fn check_region(state: &State, request: &Request) -> Result<(), ApiError> {
    let account = state.world.accounts.get(request.account());
    let enabled = match account.and_then(|a| a.regions.get(&request.region)) {
        Some(region) => region.opt_in != OptIn::NotOptedIn,
        // A region that the world file does not list for the account is there and empty, if it is listed for
        // anyone, or is the one that everybody has.
        None => {
            request.region == "us-east-1"
                || state
                    .world
                    .regions()
                    .any(|(_, r)| r.name == request.region && r.opt_in == OptIn::OptInNotRequired)
        }
    };
    if enabled {
        return Ok(());
    }
    Err(match request.service {
        Service::Kms => ApiError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        _ => ApiError::with_status(
            401,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
        ),
    })
}
