//! From an HTTP request to an operation and back: who calls, what strikes, what is permitted, what is written down.

use std::time::Duration;

use axum::body::Bytes;
use axum::http;

use super::raw::Raw;
use super::{Directive, Outcome, Request, State};
use crate::clock::{Clock, SimTime};
use crate::faults::{Act, Subject};
use crate::iam::{Caller, Policy};
use crate::journal::Call;
use crate::spec::{Absent, OptIn, TimeSource};
use crate::wire::{self, ApiError, Credential, Service};
use crate::{autoscaling, batch, cloudtrail, ec2, eks, imagebuilder, inspector2, kms, organizations, sqs, ssm, sts};

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

fn is_mutating(service: Service, operation: &str) -> bool {
    match service {
        Service::Ec2 => ec2::find(operation).is_some_and(|op| op.mutating),
        Service::AutoScaling => autoscaling::CHANGES.iter().any(|change| change.name == operation),
        Service::Ssm => ssm::CHANGES.iter().any(|change| change.name == operation),
        Service::Inspector2 => inspector2::CHANGES.iter().any(|change| change.name == operation),
        // The messages of queues are nothing that is judged: whoever receives them deletes them.
        _ => false,
    }
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
        endpoint: endpoint(http),
    })
}

/// Scheme and host of a request, as far as it tells them.
fn endpoint(http: &http::Request<Bytes>) -> Option<String> {
    let named = http.headers().get(http::header::HOST).and_then(|v| v.to_str().ok());
    let host = named.or_else(|| http.uri().authority().map(http::uri::Authority::as_str))?;
    let scheme = http.uri().scheme_str().unwrap_or("http");
    Some(format!("{scheme}://{host}"))
}

/// Now, by the clock that sessions expire by.
pub(crate) fn session_time(state: &State, now: SimTime, real_now: SimTime) -> SimTime {
    match state.settings.sessions.time {
        TimeSource::Real => real_now,
        TimeSource::Simulated => now,
    }
}

fn find_caller(state: &State, service: Service, credential: &Credential, now: SimTime) -> Result<Caller, ApiError> {
    let unknown = || service.unknown_caller();
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
        return Err(service.expired());
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
    match absence(state, &request) {
        Some(Absent::Unreachable) => {
            directive.drop = true;
            return (Err(ApiError::new("Dropped", "")), directive);
        }
        Some(Absent::Refused) => return (Err(request.service.unknown_caller()), directive),
        None => {}
    }
    let struck = strike(state, &request);
    if let Some((name, _)) = &struck {
        call.fault = Some(name.clone());
    }
    let act = struck.map(|(_, act)| act);
    match &act {
        Some(Act::FailBefore(failure)) => return (Err(failure.error()), directive),
        Some(Act::Throttle) => return (Err(request.service.throttled()), directive),
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
        return (Err(request.service.throttled()), directive);
    }
    if matches!(request.operation.as_str(), "DescribeImages" | "DescribeSnapshots") {
        let page = Duration::try_from_secs_f64(state.settings.lists.page_seconds).unwrap_or_default();
        directive.delay = directive.delay.max(page);
    }
    let outcome = run(state, &request);
    directive.delay = directive.delay.max(sqs::long_poll(state, &request, &outcome));
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

/// Checks that the caller may, and does it.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    // Organizations is of no region.
    if request.service != Service::Organizations {
        check_region(state, request)?;
    }
    let outcome = match request.service {
        Service::Ec2 => ec2::run(state, request),
        Service::Kms => kms::run(state, request),
        Service::Sts => sts::run(state, request),
        Service::AutoScaling => autoscaling::run(state, request),
        Service::Ssm => ssm::run(state, request),
        Service::Eks => eks::run(state, request),
        Service::Batch => batch::run(state, request),
        Service::ImageBuilder => imagebuilder::run(state, request),
        Service::CloudTrail => cloudtrail::run(state, request),
        Service::Inspector2 => inspector2::run(state, request),
        Service::Sqs => sqs::run(state, request),
        Service::Organizations => organizations::run(state, request),
    };
    if outcome.is_ok() {
        state.call_event(request);
    }
    outcome
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
    Err(request.service.unknown_caller())
}

/// What becomes of a call of a service that is not in the region.
fn absence(state: &State, request: &Request) -> Option<Absent> {
    let region = state.world.region(request.account(), &request.region)?;
    let absent = region.absent_services.contains(&request.service);
    absent.then_some(state.settings.services.absent)
}
