//! EventBridge: what it sends to a queue of what happens to the images, settings and parameters of a region. A region without
//! a rule sends nothing, and draws nothing from the seed.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::clock::SimTime;
use crate::ec2::SETTING_CALLS;
use crate::engine::{Event, Request, State};
use crate::iam::Caller;
use crate::model::{EBS_ALIAS, EventsTo, Parameter, Region, Setting, Trail};
use crate::sts;
use crate::wire::Service;

/// The calls that the rule lets through when they have succeeded, beside those that set what a region is set to.
const CALLS: [&str; 6] = [
    "ModifyImageAttribute",
    "DeregisterImage",
    "DisableImage",
    "EnableImage",
    "DisableImageDeregistrationProtection",
    "ModifySnapshotAttribute",
];

/// The states of an image that EC2 tells of.
const STATES: [&str; 4] = ["available", "failed", "deregistered", "disabled"];

/// What an event says, apart from where and when.
struct Telling {
    kind: &'static str,
    source: &'static str,
    resources: Vec<String>,
    detail: Value,
}

impl State {
    /// An image has come to a state.
    pub(crate) fn image_event(&mut self, place: (&str, &str), id: &str, (to, error): (&str, &str), now: SimTime) {
        if self.rule(place).is_none() || !STATES.contains(&to) {
            return;
        }
        let partition = self.world.partition(place.0);
        let resource = format!("arn:{partition}:ec2:{}::image/{id}", place.1);
        let request = self.request_id();
        let told = Telling {
            kind: "EC2 AMI State Change",
            source: "aws.ec2",
            resources: vec![resource],
            detail: json!({ "RequestId": request, "ImageId": id, "State": to, "ErrorMessage": error }),
        };
        self.send_event(place, &told, now);
    }

    /// A parameter was changed, or has failed to by this exception.
    pub(crate) fn parameter_event(
        &mut self,
        place: (&str, &str),
        parameter: &Parameter,
        (operation, exception): (&str, Option<&str>),
        now: SimTime,
    ) {
        if self.rule(place).is_none() {
            return;
        }
        let partition = self.world.partition(place.0);
        let name = &parameter.name;
        let slash = if name.starts_with('/') { "" } else { "/" };
        let resource = format!("arn:{partition}:ssm:{}:{}:parameter{slash}{name}", place.1, place.0);
        let mut detail = json!({ "operation": operation, "name": name, "type": parameter.kind });
        if let Some(description) = &parameter.description {
            detail["description"] = json!(description);
        }
        if let Some(exception) = exception {
            detail["exception"] = json!(exception);
            detail["dataType"] = json!(parameter.data_type);
        }
        let told = Telling {
            kind: "Parameter Store Change",
            source: "aws.ssm",
            resources: vec![resource],
            detail,
        };
        self.send_event(place, &told, now);
    }

    /// A call has succeeded.
    pub(crate) fn call_event(&mut self, request: &Request) {
        let place = (request.account(), request.region.as_str());
        if request.service != Service::Ec2 || !self.is_logged(place, &request.operation) {
            return;
        }
        // Lists and structures are left out.
        let plain = request.params.as_map().iter().filter(|(name, _)| !name.contains('.'));
        let parameters = plain.map(|(name, value)| (lower(name), json!(value))).collect();
        let who = identity(&request.caller);
        self.send_call(place, &request.operation, (who, parameters), request.now);
    }

    /// An edit has done what a call of the account's root would do.
    pub(crate) fn edit_event(&mut self, place: (&str, &str), operation: &str, image: Option<&str>, now: SimTime) {
        if !self.is_logged(place, operation) {
            return;
        }
        let arn = format!("arn:{}:iam::{}:root", self.world.partition(place.0), place.0);
        let who = json!({ "type": "Root", "principalId": place.0, "arn": arn, "accountId": place.0 });
        let image = image.map(|id| ("imageId".to_owned(), json!(id)));
        self.send_call(place, operation, (who, image.into_iter().collect()), now);
    }

    fn send_call(
        &mut self,
        place: (&str, &str),
        operation: &str,
        (who, parameters): (Value, Map<String, Value>),
        now: SimTime,
    ) {
        let [request, event] = [self.request_id(), self.request_id()];
        let told = Telling {
            kind: "AWS API Call via CloudTrail",
            source: "aws.ec2",
            resources: Vec::new(),
            detail: json!({
                "eventVersion": "1.10",
                "userIdentity": who,
                "eventTime": whole_seconds(now),
                "eventSource": "ec2.amazonaws.com",
                "eventName": operation,
                "awsRegion": place.1,
                "sourceIPAddress": "192.0.2.1",
                "userAgent": "aws-sdk",
                "requestParameters": parameters,
                "responseElements": { "_return": true, "requestId": request },
                "requestID": request,
                "eventID": event,
                "readOnly": false,
                "eventType": "AwsApiCall",
                "managementEvent": true,
                "recipientAccountId": place.0,
                "eventCategory": "Management",
            }),
        };
        self.send_event(place, &told, now);
    }

    fn rule(&self, (account, region): (&str, &str)) -> Option<&EventsTo> {
        self.world.region(account, region)?.events_to.as_ref()
    }

    /// Whether the rule gets this call, which needs a trail that logs it, unless the rule says so itself.
    fn is_logged(&self, place: (&str, &str), operation: &str) -> bool {
        let is_let_through = CALLS.contains(&operation) || SETTING_CALLS.contains(&operation);
        let Some(rule) = self.rule(place).filter(|_| is_let_through) else {
            return false;
        };
        if let Some(told) = rule.api_calls {
            return told;
        }
        let account = self.world.accounts.get(place.0);
        let homes = account.into_iter().flat_map(|account| account.regions.values());
        let is_of = |home: &Region, trail: &Trail| trail.multi_region || home.name == place.1;
        homes
            .flat_map(|home| home.trails.iter().map(move |trail| (home, trail)))
            .any(|(home, trail)| is_of(home, trail) && logs_changes(trail))
    }

    /// Sends an event by the rule of a region, if there is one: late, twice or not at all, as the settings say.
    fn send_event(&mut self, place: (&str, &str), told: &Telling, now: SimTime) {
        let Some(to) = self.rule(place).cloned() else {
            return;
        };
        let (lost, doubled) = (self.settings.event_lost, self.settings.event_doubled);
        let lag = self.settings.event_lag.max(0.0);
        if lost > 0.0 && self.draw() < lost {
            return;
        }
        let copies = if doubled > 0.0 && self.draw() < doubled { 2 } else { 1 };
        let body = json!({
            "version": "0",
            "id": self.request_id(),
            "detail-type": told.kind,
            "source": told.source,
            "account": place.0,
            "time": whole_seconds(now),
            "region": place.1,
            "resources": told.resources,
            "detail": told.detail,
        })
        .to_string();
        for copy in 1..=copies {
            let at = now.plus_seconds(lag * f64::from(copy));
            if at <= now {
                self.deliver((&to.account, &to.region, &to.queue), &body, now);
                continue;
            }
            let event = Event::Delivery {
                account: to.account.clone(),
                region: to.region.clone(),
                queue: to.queue.clone(),
                body: body.clone(),
            };
            self.events.insert((at, event));
        }
    }

    /// An event comes to its queue, if that is still there.
    pub(crate) fn deliver(&mut self, queue: (&str, &str, &str), body: &str, at: SimTime) {
        if self.put_message(queue, body, (at, at)).is_none() {
            tracing::debug!(queue = queue.2, "an event has no queue to go to");
        }
    }
}

/// The call that sets a setting to what it is set to, in a word.
pub(crate) fn call_of(setting: Setting, to: &str) -> &'static str {
    match (setting, to) {
        (Setting::EbsEncryptionByDefault, "true") => "EnableEbsEncryptionByDefault",
        (Setting::EbsEncryptionByDefault, _) => "DisableEbsEncryptionByDefault",
        (Setting::EbsDefaultKey, EBS_ALIAS) => "ResetEbsDefaultKmsKeyId",
        (Setting::EbsDefaultKey, _) => "ModifyEbsDefaultKmsKeyId",
        (Setting::ImagePublicAccess, "unblocked") => "DisableImageBlockPublicAccess",
        (Setting::ImagePublicAccess, _) => "EnableImageBlockPublicAccess",
        (Setting::SnapshotPublicAccess, "unblocked") => "DisableSnapshotBlockPublicAccess",
        (Setting::SnapshotPublicAccess, _) => "EnableSnapshotBlockPublicAccess",
        (Setting::AllowedImages, "disabled") => "DisableAllowedImagesSettings",
        (Setting::AllowedImages, _) => "EnableAllowedImagesSettings",
        (Setting::AllowedImageCriteria, _) => "ReplaceImageCriteriaInAllowedImagesSettings",
    }
}

/// Who makes a call, as CloudTrail tells it.
fn identity(caller: &Caller) -> Value {
    let mut who = json!({
        "type": "IAMUser",
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
    });
    let Some(role) = &caller.role_arn else {
        who["userName"] = json!(caller.arn.rsplit('/').next());
        return who;
    };
    who["type"] = json!("AssumedRole");
    who["sessionContext"] = json!({ "sessionIssuer": {
        "type": "Role",
        "principalId": sts::role_id(role),
        "arn": role,
        "accountId": caller.account,
        "userName": role.rsplit('/').next(),
    } });
    who
}

/// Whether a trail logs management events that change something.
fn logs_changes(trail: &Trail) -> bool {
    let by_selector = if trail.advanced.is_empty() {
        !trail.without_management_events && trail.read_write.as_deref() != Some("ReadOnly")
    } else {
        trail.advanced.iter().any(selects_changes)
    };
    trail.logging && by_selector
}

fn selects_changes(selector: &Value) -> bool {
    let equals = |field: &str, value: &str| {
        let fields = selector["FieldSelectors"].as_array().into_iter().flatten();
        let mut values = fields
            .filter(|one| one["Field"] == field)
            .flat_map(|one| one["Equals"].as_array().into_iter().flatten());
        values.any(|one| one == value)
    };
    equals("eventCategory", "Management") && !equals("readOnly", "true")
}

/// `ImageId` as `imageId`.
fn lower(name: &str) -> String {
    let mut signs = name.chars();
    let first = signs.next().map(|sign| sign.to_ascii_lowercase());
    first.into_iter().chain(signs).collect()
}

/// A time as events have it, without parts of a second.
fn whole_seconds(at: SimTime) -> String {
    match Timestamp::from_millisecond(at.as_millis()) {
        Ok(time) => format!("{time:.0}"),
        Err(_) => at.to_string(),
    }
}
