//! The Job that a copy is proven by, as the API server has it: made from a CronJob, known again, and judged.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};
use k8s_openapi::api::core::v1::{Container, EnvVar};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::job::JobNow;
use crate::api::{JobStatus, labels};
use crate::domain::ImageId;
use crate::plan::naming::CopyIdentity;

/// For how many seconds a Job that has ended is kept, where the CronJob does not say it: its logs tell why a copy has failed.
const KEPT: i32 = 24 * 3600;
/// For how many at least: what is deleted before its end was read was lost.
const KEPT_AT_LEAST: i32 = 3600;

/// The Job that is on record, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// Its name.
    pub name: String,
    /// The CronJob that it is made from.
    pub cron_job: String,
    /// How many seconds it may take.
    pub timeout_seconds: u32,
    /// The copy.
    pub copy: ImageId,
    /// Of which original and under which key that is, and where.
    pub of: CopyIdentity,
    /// The policy that asks for it.
    pub policy: String,
}

/// What is to be made for what is on record. None where that names no image, as somebody else has written it.
pub fn request(of: &CopyIdentity, policy: &str, job: &JobStatus) -> Option<JobRequest> {
    Some(JobRequest {
        name: job.name.clone(),
        cron_job: job.cron_job.clone(),
        timeout_seconds: job.timeout_seconds,
        copy: job.image_id.parse().ok()?,
        of: of.clone(),
        policy: policy.to_owned(),
    })
}

/// The Job as it is created: as `kubectl create job --from=cronjob/…` makes it, with the copy's coordinates in the environment of
/// every container, and gone with the migration, which is its owner. Or what is to be said where it must not be made.
pub fn build(cron_job: &CronJob, request: &JobRequest, owner: OwnerReference) -> Result<Job, String> {
    let template = &cron_job.spec.job_template;
    if cron_job.spec.suspend != Some(true) {
        return Err(format!(
            "The CronJob {0} is not suspended, so that it also runs by itself and without an image: set spec.suspend: true in {0}.",
            request.cron_job
        ));
    }
    let Some(mut spec) = template.spec.clone() else {
        return Err(format!(
            "The CronJob {} has no spec.jobTemplate.spec, so that nothing would run: add it.",
            request.cron_job
        ));
    };
    let timeout = i64::from(request.timeout_seconds);
    spec.active_deadline_seconds = Some(spec.active_deadline_seconds.map_or(timeout, |own| own.min(timeout)));
    spec.ttl_seconds_after_finished = Some(
        spec.ttl_seconds_after_finished
            .map_or(KEPT, |own| own.max(KEPT_AT_LEAST)),
    );
    let ours = request.labels();
    let pod_labels = &mut spec.template.metadata.get_or_insert_default().labels;
    pod_labels.get_or_insert_default().extend(ours.clone());
    if let Some(pod) = &mut spec.template.spec {
        let environment = request.environment(&owner.name);
        let containers = pod.init_containers.iter_mut().flatten().chain(&mut pod.containers);
        containers.for_each(|container| tell(container, &environment));
    }
    let of_template = template.metadata.clone().unwrap_or_default();
    let mut job_labels = of_template.labels.unwrap_or_default();
    job_labels.extend(ours);
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(request.name.clone()),
            labels: Some(job_labels),
            annotations: of_template.annotations,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    })
}

impl JobRequest {
    fn labels(&self) -> BTreeMap<String, String> {
        let scope = &self.of.scope;
        let ours = [
            (labels::POLICY, self.policy.as_str()),
            (labels::ACCOUNT, scope.account.as_str()),
            (labels::REGION, scope.region.as_str()),
            (labels::VALIDATES, self.copy.as_str()),
        ];
        ours.map(|(label, value)| (label.to_owned(), value.to_owned())).into()
    }

    /// What every container is told.
    fn environment(&self, migration: &str) -> Vec<EnvVar> {
        let key = self.of.key.to_string();
        let variables = [
            ("AMISEAL_ACCOUNT_ID", self.of.scope.account.as_str()),
            ("AMISEAL_REGION", self.of.scope.region.as_str()),
            ("AMISEAL_IMAGE_ID", self.copy.as_str()),
            ("AMISEAL_SOURCE_IMAGE_ID", self.of.source.as_str()),
            ("AMISEAL_KEY_ARN", key.as_str()),
            ("AMISEAL_MIGRATION", migration),
            ("AMISEAL_POLICY", self.policy.as_str()),
        ];
        let variable = |(name, value): (&str, &str)| EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            value_from: None,
        };
        variables.map(variable).into()
    }
}

/// Puts our variables before those of the container, which may refer to them by `$(…)`. Those of the same names give way.
fn tell(container: &mut Container, ours: &[EnvVar]) {
    let mut theirs = container.env.take().unwrap_or_default();
    theirs.retain(|variable| ours.iter().all(|our| our.name != variable.name));
    container.env = Some(ours.iter().cloned().chain(theirs).collect());
}

/// Whether a Job was made to prove this copy for the migration of this UID: the migration owns it, and its label names the copy.
pub fn is_ours(job: &Job, migration: &str, copy: &str) -> bool {
    let names = job.metadata.labels.as_ref().and_then(|all| all.get(labels::VALIDATES));
    let mut owners = job.metadata.owner_references.iter().flatten();
    names.is_some_and(|named| named == copy) && owners.any(|owner| owner.uid == migration)
}

/// What a Job is that has the name on record. One that was made by somebody else after ours was deleted is not ours.
pub fn seen(job: &Job, recorded: &JobStatus, migration: &str) -> JobNow {
    let is_same = recorded.uid.is_none() || recorded.uid == job.metadata.uid;
    if !is_same || !is_ours(job, migration, &recorded.image_id) {
        return JobNow::Gone;
    }
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref());
    let conditions = conditions.unwrap_or_default();
    let find = |type_: &str| {
        conditions
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == "True")
    };
    match (find("Complete"), find("Failed")) {
        (_, Some(failed)) => JobNow::Failed(why(failed)),
        (Some(_), None) => JobNow::Complete,
        (None, None) => JobNow::Unfinished,
    }
}

/// What a condition says.
fn why(condition: &JobCondition) -> String {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (said(&condition.reason), said(&condition.message)) {
        (Some(reason), Some(message)) => format!("{reason}: {}", message.trim_end_matches('.')),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "the API server does not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::JobState;
    use crate::plan::testing::{copy_of, image_id};

    const UID: &str = "5d9a1d3f-8e0b-4b0a-9c7e-0a1b2c3d4e5f";

    fn cron_job(change: impl FnOnce(&mut Value)) -> CronJob {
        let mut object = json!({
            "metadata": {"name": "scan-image", "labels": {"of": "the CronJob"}},
            "spec": {
                "schedule": "0 0 1 1 *",
                "suspend": true,
                "jobTemplate": {
                    "metadata": {"labels": {"team": "security", "amiseal.dev/policy": "theirs"}, "annotations": {"a": "b"}},
                    "spec": {
                        "backoffLimit": 4,
                        "template": {
                            "metadata": {"labels": {"app": "scan"}},
                            "spec": {
                                "restartPolicy": "Never",
                                "initContainers": [{"name": "first"}],
                                "containers": [
                                    {"name": "scan", "env": [
                                        {"name": "MODE", "value": "$(AMISEAL_REGION)"},
                                        {"name": "AMISEAL_IMAGE_ID", "value": "ami-0"},
                                    ]},
                                    {"name": "report"},
                                ],
                            },
                        },
                    },
                },
            },
        });
        change(&mut object);
        serde_json::from_value(object).expect("a CronJob")
    }

    fn record() -> JobStatus {
        JobStatus {
            state: JobState::Running,
            image_id: image_id(7).to_string(),
            name: "amiseal-job".to_owned(),
            uid: Some("of-the-job".to_owned()),
            cron_job: "scan-image".to_owned(),
            timeout_seconds: 3600,
            ..JobStatus::default()
        }
    }

    fn built(change: impl FnOnce(&mut Value)) -> Result<Job, String> {
        let request = request(&copy_of(), "production", &record()).expect("a request");
        let owner = OwnerReference {
            name: "ami-1.eu-west-1".to_owned(),
            uid: UID.to_owned(),
            ..OwnerReference::default()
        };
        build(&cron_job(change), &request, owner)
    }

    #[test]
    fn a_job_is_what_the_cron_job_says_and_every_container_is_told_which_copy_it_is_for() {
        let job = built(|_| {}).expect("a Job");
        let of = copy_of();
        let (copy, source, key) = (image_id(7).to_string(), of.source.to_string(), of.key.to_string());
        let (account, region) = (of.scope.account.as_str(), of.scope.region.as_str());
        let ours = [
            ("AMISEAL_ACCOUNT_ID", account),
            ("AMISEAL_REGION", region),
            ("AMISEAL_IMAGE_ID", copy.as_str()),
            ("AMISEAL_SOURCE_IMAGE_ID", source.as_str()),
            ("AMISEAL_KEY_ARN", key.as_str()),
            ("AMISEAL_MIGRATION", "ami-1.eu-west-1"),
            ("AMISEAL_POLICY", "production"),
        ];
        let spec = job.spec.clone().expect("a spec");
        assert_eq!(spec.backoff_limit, Some(4));
        let pod = spec.template.spec.expect("a Pod");
        let mut told = pod.init_containers.expect("a list");
        told.extend(pod.containers);
        let env = |container: &Container| -> Vec<(String, String)> {
            let all = container.env.clone().unwrap_or_default().into_iter();
            all.map(|variable| (variable.name, variable.value.unwrap_or_default()))
                .collect()
        };
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut with_theirs: Vec<_> = ours.map(owned).into();
        assert_eq!(env(&told[0]), with_theirs, "init containers too");
        assert_eq!(env(&told[2]), with_theirs);
        with_theirs.push(owned(("MODE", "$(AMISEAL_REGION)")));
        assert_eq!(
            env(&told[1]),
            with_theirs,
            "ours come first and take the place of theirs"
        );

        let metadata = serde_json::to_value(&job.metadata).expect("JSON");
        let labels = json!({
            "team": "security", "amiseal.dev/policy": "production", "amiseal.dev/account": account,
            "amiseal.dev/region": region, "amiseal.dev/validates": copy,
        });
        assert_eq!(metadata["name"], "amiseal-job");
        assert_eq!(
            (&metadata["labels"], &metadata["annotations"]),
            (&labels, &json!({"a": "b"}))
        );
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(
            (&owner["uid"], &owner["blockOwnerDeletion"]),
            (&json!(UID), &Value::Null)
        );
        let of_pod = spec
            .template
            .metadata
            .and_then(|metadata| metadata.labels)
            .expect("labels");
        assert_eq!(
            (
                of_pod.get("app").map(String::as_str),
                of_pod.get("amiseal.dev/validates")
            ),
            (Some("scan"), Some(&copy))
        );
    }

    #[test]
    fn a_job_has_the_shorter_of_two_deadlines_and_is_kept_for_long_enough_to_be_read() {
        // What the template says, and what the Job has, of its deadline and of how long it is kept.
        let table = [
            (json!({}), 3600, 24 * 3600),
            (
                json!({"activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 0}),
                60,
                3600,
            ),
            (
                json!({"activeDeadlineSeconds": 9999, "ttlSecondsAfterFinished": 9999}),
                3600,
                9999,
            ),
        ];
        for (says, deadline, kept) in table {
            let job = built(|object| {
                for (field, value) in says.as_object().into_iter().flatten() {
                    object["spec"]["jobTemplate"]["spec"][field] = value.clone();
                }
            });
            let spec = job.expect("a Job").spec.expect("a spec");
            assert_eq!(
                (spec.active_deadline_seconds, spec.ttl_seconds_after_finished),
                (Some(deadline), Some(kept)),
                "{says}"
            );
        }
    }

    #[test]
    fn a_cron_job_that_runs_by_itself_is_refused_in_a_sentence_that_says_so() {
        for suspend in [json!(false), Value::Null] {
            let said = built(|object| object["spec"]["suspend"] = suspend).expect_err("a refusal");
            assert!(
                said.contains("scan-image is not suspended") && said.contains("spec.suspend: true"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_job_is_known_by_owner_label_and_uid_and_judged_by_its_conditions() {
        type Change = fn(&mut Value);
        let condition =
            |type_: &str, status: &str| json!([{"type": type_, "status": status, "reason": "R", "message": "M."}]);
        let object = |conditions: Value| {
            json!({
                "metadata": {
                    "name": "amiseal-job", "uid": "of-the-job", "labels": {"amiseal.dev/validates": image_id(7).to_string()},
                    "ownerReferences": [{"apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIMigration", "name": "m", "uid": UID}],
                },
                "status": {"conditions": conditions},
            })
        };
        let judged = |object: Value| {
            let job: Job = serde_json::from_value(object).expect("a Job");
            seen(&job, &record(), UID)
        };
        for (type_, status, expected) in [
            ("Complete", "True", JobNow::Complete),
            ("Failed", "True", JobNow::Failed("R: M".to_owned())),
            ("Complete", "False", JobNow::Unfinished),
            ("SuccessCriteriaMet", "True", JobNow::Unfinished),
            ("FailureTarget", "True", JobNow::Unfinished),
            ("Suspended", "True", JobNow::Unfinished),
        ] {
            assert_eq!(judged(object(condition(type_, status))), expected, "{type_} {status}");
        }
        assert_eq!(judged(object(Value::Null)), JobNow::Unfinished);
        let foreign: [Change; 4] = [
            |job| job["metadata"]["uid"] = json!("another"),
            |job| job["metadata"]["labels"] = Value::Null,
            |job| job["metadata"]["labels"]["amiseal.dev/validates"] = json!("ami-0"),
            |job| job["metadata"]["ownerReferences"][0]["uid"] = json!("another"),
        ];
        for (number, change) in foreign.iter().enumerate() {
            let mut job = object(condition("Complete", "True"));
            change(&mut job);
            assert_eq!(judged(job), JobNow::Gone, "{number}");
        }
    }
}
