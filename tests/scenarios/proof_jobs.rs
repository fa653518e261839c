//! A copy is proven by a Job that is made from a suspended CronJob. There is no kubelet: the scenario says how the Job ends.

use std::time::Duration;

use amiseal::api::{AMIMigration, JobState, JobStatus, MigrationState, conditions, conditions::reason, labels};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, KEY_ARN, REGION, Scenario, conditions_of, policy, says, with};
use crate::validating::{provable, published};

const NAMESPACE: &str = "amiseal-system";
const CRON_JOB: &str = "scan-image";

/// Gives the controller the rights that the chart grants with `proofJobs.enabled: true`.
async fn grant(scenario: &Scenario) {
    let mut helm = scenario.plane().helm().expect("helm");
    helm.args(["template", "amiseal", "--namespace", NAMESPACE])
        .arg(rig::chart_directory())
        .args(["--set", "proofJobs.enabled=true", "--show-only", "templates/rbac.yaml"]);
    let output = tokio::process::Command::from(helm).output().await.expect("helm runs");
    assert!(output.status.success(), "{output:?}");
    let yaml = String::from_utf8(output.stdout).expect("UTF-8");
    scenario.plane().apply(&yaml).await.expect("the rights");
}

/// Deletes what may be there.
async fn remove<K: Clone + DeserializeOwned + std::fmt::Debug>(api: &Api<K>, name: &str) {
    match api.delete(name, &DeleteParams::background()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => panic!("{name}: {error}"),
    }
}

/// A CronJob whose Jobs this scenario speaks for, unless `is_run` says that Kubernetes makes their Pods.
async fn cron_job(scenario: &Scenario, suspend: bool, is_run: bool) {
    let mut job = json!({
        "backoffLimit": 0,
        "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "scan", "image": "registry.example.com/scan:1", "env": [
                {"name": "AMISEAL_IMAGE_ID", "value": "none"},
                {"name": "TARGET", "value": "$(AMISEAL_REGION)/$(AMISEAL_IMAGE_ID)"},
            ]}],
        }},
    });
    if !is_run {
        job["managedBy"] = json!("example.com/scenario");
    }
    let object = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": CRON_JOB, "namespace": NAMESPACE},
        "spec": {"schedule": "0 0 1 1 *", "suspend": suspend, "jobTemplate": {
            "metadata": {"labels": {"team": "security"}, "annotations": {"example.com/a": "b"}},
            "spec": job,
        }},
    });
    scenario.plane().apply(&object.to_string()).await.expect("a CronJob");
}

fn by_job() -> Value {
    let promoted = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"launchTemplates": "Update"}),
    );
    with(
        promoted,
        "validation",
        json!({"job": {"cronJob": CRON_JOB, "timeout": "10m"}, "maxAttempts": 1}),
    )
}

fn jobs(scenario: &Scenario) -> Api<Job> {
    Api::namespaced(scenario.client.clone(), NAMESPACE)
}

/// The Jobs of the image's copy.
async fn jobs_of(scenario: &Scenario, copy: &str) -> Vec<Job> {
    let of_copy = ListParams::default().labels(&format!("{}={copy}", labels::VALIDATES));
    jobs(scenario).list(&of_copy).await.expect("a list").items
}

fn job_of(migration: &AMIMigration) -> Option<JobStatus> {
    migration.status.clone()?.validation?.job
}

/// Waits until a Job of this attempt runs.
async fn runs(scenario: &Scenario, attempt: u32) -> JobStatus {
    let image = scenario.image("golden");
    scenario
        .until(&format!("the Job of attempt {attempt} to run"), async || {
            let migration = scenario.migration_of(&image).await?;
            job_of(&migration).filter(|job| job.state == JobState::Running && job.attempt == attempt)
        })
        .await
}

/// Says how a Job has ended, as the controller of Jobs does: the API server takes nothing less.
async fn ends(scenario: &Scenario, name: &str, (criterion, end): (&str, &str), more: &Value) {
    let now = Timestamp::now().to_string();
    let condition = |type_: &str| {
        json!({
            "type": type_, "status": "True", "reason": "ScanEnded", "message": "3 findings are critical",
            "lastProbeTime": now, "lastTransitionTime": now,
        })
    };
    let mut status = json!({"startTime": now, "conditions": [condition(criterion), condition(end)]});
    for (field, value) in more.as_object().into_iter().flatten() {
        status[field] = value.clone();
    }
    let patch = Patch::Merge(json!({"status": status}));
    let patched = jobs(scenario).patch_status(name, &PatchParams::default(), &patch).await;
    patched.expect("a status that the API server takes");
}

async fn completes(scenario: &Scenario, name: &str) {
    let now = Timestamp::now().to_string();
    let more = json!({"succeeded": 1, "startTime": now, "completionTime": now});
    ends(scenario, name, ("SuccessCriteriaMet", "Complete"), &more).await;
}

#[tokio::test]
async fn nothing_is_shared_or_moved_before_the_job_has_completed_and_a_job_that_fails_is_tried_anew() {
    let scenario = Scenario::new(provable("")).await;
    grant(&scenario).await;
    cron_job(&scenario, true, false).await;
    let _replica = scenario.start().await;
    scenario.apply(&by_job()).await;
    let golden = scenario.image("golden");
    let record = runs(&scenario, 1).await;
    let migration = scenario.reaches(&golden, MigrationState::Validating).await;
    assert_eq!(
        says(conditions_of(&migration), conditions::VALIDATED),
        "False/Validating"
    );
    let all = jobs_of(&scenario, &record.image_id).await;
    let [job] = &all[..] else { panic!("{all:?}") };
    assert_eq!((job.name_any(), job.uid()), (record.name.clone(), record.uid.clone()));
    let object = serde_json::to_value(job).expect("JSON");
    assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], json!(migration.uid()));
    assert_eq!(object["metadata"]["labels"]["team"], "security");
    assert_eq!(object["metadata"]["annotations"]["example.com/a"], "b");
    assert_eq!(object["spec"]["activeDeadlineSeconds"], 600);
    let env = |name: &str, value: &str| json!({"name": name, "value": value});
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][0]["env"],
        json!([
            env("AMISEAL_ACCOUNT_ID", ACCOUNT),
            env("AMISEAL_REGION", REGION),
            env("AMISEAL_IMAGE_ID", &record.image_id),
            env("AMISEAL_SOURCE_IMAGE_ID", &golden),
            env("AMISEAL_KEY_ARN", KEY_ARN),
            env("AMISEAL_MIGRATION", &migration.name_any()),
            env("AMISEAL_POLICY", "production"),
            env("TARGET", "$(AMISEAL_REGION)/$(AMISEAL_IMAGE_ID)"),
        ])
    );
    assert!(published(&scenario).is_empty(), "it is not proven");

    ends(
        &scenario,
        &record.name,
        ("FailureTarget", "Failed"),
        &json!({"failed": 1}),
    )
    .await;
    let stalled = scenario.stalls(&golden, reason::VALIDATION_FAILED).await;
    let failed = job_of(&stalled).expect("a Job");
    assert_eq!((failed.state, failed.failures), (JobState::Ended, 1));
    let said = failed.message.unwrap_or_default();
    assert!(said.contains("ScanEnded: 3 findings are critical"), "{said}");
    assert!(published(&scenario).is_empty());

    scenario.ask_again(&golden, "the findings are accepted").await;
    let again = runs(&scenario, 2).await;
    assert_ne!(again.name, record.name);
    completes(&scenario, &again.name).await;
    scenario.completed(1).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(says(conditions_of(&migration), conditions::VALIDATED), "True/Succeeded");
    scenario
        .until("the template to be moved", async || {
            published(&scenario)
                .contains(&"CreateLaunchTemplateVersion".to_owned())
                .then_some(())
        })
        .await;
    assert_eq!(
        jobs_of(&scenario, &again.image_id).await.len(),
        2,
        "their logs can be read"
    );
    scenario.judged();
}

/// Has it tried again until this is said: rights take a moment to hold.
async fn is_refused_with(scenario: &Scenario, image: &str, words: &str) -> JobStatus {
    let mut tries = 0;
    scenario
        .until(&format!("it to say: {words}"), async || {
            let migration = scenario.migration_of(image).await?;
            let job = job_of(&migration).filter(|job| job.state == JobState::Refused);
            let says_so = |job: &JobStatus| job.message.as_deref().is_some_and(|message| message.contains(words));
            if let Some(job) = job.filter(says_so) {
                return Some(job);
            }
            tries += 1;
            scenario.ask_again(image, &format!("{words} {tries}")).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            None
        })
        .await
}

#[tokio::test]
async fn a_job_that_cannot_be_made_says_why_and_a_job_of_somebody_else_is_left_alone() {
    let scenario = Scenario::new(provable("")).await;
    // An earlier scenario may have left them.
    let bindings = Api::<RoleBinding>::namespaced(scenario.client.clone(), NAMESPACE);
    remove(&bindings, "amiseal-jobs").await;
    let cron_jobs = Api::<CronJob>::namespaced(scenario.client.clone(), NAMESPACE);
    remove(&cron_jobs, CRON_JOB).await;
    let _replica = scenario.start().await;
    scenario.apply(&by_job()).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::JOB_REFUSED).await;
    let said = job_of(&stalled).and_then(|job| job.message).unwrap_or_default();
    assert!(said.contains("set proofJobs.enabled: true"), "{said}");

    grant(&scenario).await;
    is_refused_with(
        &scenario,
        &golden,
        "There is no CronJob scan-image in the namespace amiseal-system",
    )
    .await;
    cron_job(&scenario, false, false).await;
    let record = is_refused_with(&scenario, &golden, "The CronJob scan-image is not suspended").await;

    // Somebody has guessed the name.
    let theirs: Job = serde_json::from_value(json!({
        "metadata": {"name": record.name, "labels": {"amiseal.dev/validates": record.image_id}},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "passes", "image": "registry.example.com/true:1"}],
        }}},
    }))
    .expect("a Job");
    let created = jobs(&scenario).create(&PostParams::default(), &theirs).await;
    let created = created.expect("a Job of somebody else");
    cron_job(&scenario, true, false).await;
    is_refused_with(
        &scenario,
        &golden,
        "was not created by amiseal for this copy: delete it",
    )
    .await;
    let is_there = jobs(&scenario).get(&record.name).await.expect("it is left alone");
    assert_eq!(is_there.uid(), created.uid());
    assert!(published(&scenario).is_empty());

    remove(&jobs(&scenario), &record.name).await;
    scenario.ask_again(&golden, "it is deleted").await;
    let job = runs(&scenario, 1).await;
    assert_eq!(job.name, record.name);
    completes(&scenario, &job.name).await;
    scenario.completed(1).await;
    let report = scenario.sim().audit();
    assert!(report.ok, "{report}");
}

#[tokio::test]
async fn a_job_is_made_once_whoever_restarts_and_goes_with_its_pods_when_it_is_not_wanted_any_more() {
    for whole_policy in [false, true] {
        let scenario = Scenario::new(provable("")).await;
        grant(&scenario).await;
        cron_job(&scenario, true, true).await;
        let replica = scenario.start().await;
        scenario.apply(&by_job()).await;
        let record = runs(&scenario, 1).await;
        let pods: Api<Pod> = Api::namespaced(scenario.client.clone(), NAMESPACE);
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", record.name));
        scenario
            .until("a Pod of the Job", async || {
                let pods = pods.list(&of_job).await.expect("a list").items;
                (!pods.is_empty()).then_some(())
            })
            .await;
        replica.kill();
        let _replica = scenario.start().await;
        let image = scenario.image("golden");
        let same = scenario.migration_of(&image).await.as_ref().and_then(job_of);
        assert_eq!(same.map(|job| (job.name, job.uid)), Some((record.name, record.uid)));
        assert_eq!(jobs_of(&scenario, &record.image_id).await.len(), 1);

        if whole_policy {
            scenario.delete("production").await;
        } else {
            scenario.apply(&with(by_job(), "validation", json!({}))).await;
        }
        scenario
            .until("the Job and its Pods to be gone", async || {
                let jobs = jobs_of(&scenario, &record.image_id).await;
                let pods = pods.list(&of_job).await.expect("a list").items;
                (jobs.is_empty() && pods.is_empty()).then_some(())
            })
            .await;
        if !whole_policy {
            scenario.completed(1).await;
            scenario.judged();
        }
    }
}
