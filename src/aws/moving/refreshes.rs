//! Instance refreshes of Auto Scaling groups.

use aws_sdk_autoscaling::types::{
    AlarmSpecification, DesiredConfiguration, InstanceRefresh, RefreshPreferences as Preferences,
};
use aws_sdk_ec2::types::Filter;
use jiff::Timestamp;

use super::groups;
use crate::aws::consumers::STATES;
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ErrorClass, ImageId, Made, Operation, RefreshNow, RefreshPreferences, StartRefresh};

const REFRESHES: Operation = Operation::DescribeInstanceRefreshes;
const INSTANCES: Operation = Operation::DescribeInstances;
const START: Operation = Operation::StartInstanceRefresh;
const ROLL_BACK: Operation = Operation::RollbackInstanceRefresh;

/// Reads a group's refreshes, the newest first.
pub(super) async fn read(session: &Session, group: &str) -> Result<Vec<RefreshNow>, AwsError> {
    let mut found = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.autoscaling();
        let request = client
            .describe_instance_refreshes()
            .auto_scaling_group_name(group)
            .max_records(100)
            .set_next_token(pages.token());
        let page = session.call(REFRESHES, request.send()).await?;
        found.extend(listed(REFRESHES, page.instance_refreshes)?);
        pages.turn(REFRESHES, page.next_token)?;
    }
    let started = |refresh: &InstanceRefresh| refresh.start_time().map(|at| (at.secs(), at.subsec_nanos()));
    found.sort_by_key(|refresh| std::cmp::Reverse(started(refresh)));
    found.iter().map(project).collect()
}

fn project(refresh: &InstanceRefresh) -> Result<RefreshNow, AwsError> {
    let id = refresh.instance_refresh_id().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| AwsError::malformed(REFRESHES, &"a refresh without an ID"))?;
    let status = refresh
        .status()
        .ok_or_else(|| AwsError::malformed(REFRESHES, &"a refresh without a status"))?;
    let given = refresh.preferences();
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Into::into);
    let alarms = given.and_then(|given| given.alarm_specification());
    Ok(RefreshNow {
        id: id.into(),
        status: status.as_str().into(),
        reason: text(refresh.status_reason()),
        ended: refresh.end_time().and_then(|at| Timestamp::from_second(at.secs()).ok()),
        preferences: RefreshPreferences {
            strategy: refresh
                .strategy()
                .map_or("Rolling", |strategy| strategy.as_str())
                .into(),
            min_healthy: given.and_then(Preferences::min_healthy_percentage),
            max_healthy: given.and_then(Preferences::max_healthy_percentage),
            warmup: given.and_then(Preferences::instance_warmup),
            checkpoints: given
                .map(|given| given.checkpoint_percentages().to_vec())
                .unwrap_or_default(),
            checkpoint_delay: given.and_then(Preferences::checkpoint_delay),
            bake_time: given.and_then(Preferences::bake_time),
            alarms: alarms
                .map(|alarms| alarms.alarms().iter().map(|alarm| alarm.as_str().into()).collect())
                .unwrap_or_default(),
            auto_rollback: given.and_then(Preferences::auto_rollback).unwrap_or_default(),
        },
        desired: refresh
            .desired_configuration()
            .map(|by| groups::parts_of(by.launch_template(), by.mixed_instances_policy()))
            .unwrap_or_default(),
    })
}

/// Whether an instance of a group runs an image.
pub(super) async fn runs(session: &Session, group: &str, image: &ImageId) -> Result<bool, AwsError> {
    let filter = |name: &str, values: Vec<String>| Filter::builder().name(name).set_values(Some(values)).build();
    let filters = vec![
        filter("tag:aws:autoscaling:groupName", vec![verbatim(group)]),
        filter("image-id", vec![image.to_string()]),
        filter(
            "instance-state-name",
            STATES.iter().map(|state| state.as_str().to_owned()).collect(),
        ),
    ];
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_instances()
            .include_managed_resources(true)
            .set_filters(Some(filters.clone()))
            .max_results(100)
            .set_next_token(pages.token());
        let page = session.call(INSTANCES, request.send()).await?;
        let reservations = listed(INSTANCES, page.reservations)?;
        if reservations
            .iter()
            .any(|reservation| !reservation.instances().is_empty())
        {
            return Ok(true);
        }
        pages.turn(INSTANCES, page.next_token)?;
    }
    Ok(false)
}

/// A text in which a filter finds no wildcards.
fn verbatim(text: &str) -> String {
    let escaped = |letter: char| {
        let escape = ['*', '?', '\\'].contains(&letter).then_some('\\');
        escape.into_iter().chain(std::iter::once(letter))
    };
    text.chars().flat_map(escaped).collect()
}

/// Asks for a refresh.
pub(super) async fn start(session: &Session, start: &StartRefresh) -> Result<Made, AwsError> {
    let client = session.autoscaling();
    let request = client
        .start_instance_refresh()
        .auto_scaling_group_name(&*start.change.group)
        .strategy((&*start.preferences.strategy).into())
        .preferences(preferences(&start.preferences));
    let by = groups::changed(session, &start.change, START).await?;
    let desired = (!start.change.to.is_empty()).then(|| {
        DesiredConfiguration::builder()
            .set_launch_template(by.template)
            .set_mixed_instances_policy(by.mixed)
            .build()
    });
    let answer = session
        .call(START, Box::pin(request.set_desired_configuration(desired).send()))
        .await?;
    let id = answer.instance_refresh_id().filter(|id| !id.is_empty());
    id.map(|id| Made::Refresh(id.into()))
        .ok_or_else(|| AwsError::malformed(START, &"no refresh in the answer"))
}

fn preferences(wanted: &RefreshPreferences) -> Preferences {
    let alarms = (!wanted.alarms.is_empty()).then(|| {
        AlarmSpecification::builder()
            .set_alarms(Some(wanted.alarms.iter().map(|alarm| alarm.to_string()).collect()))
            .build()
    });
    Preferences::builder()
        .skip_matching(true)
        .set_min_healthy_percentage(wanted.min_healthy)
        .set_max_healthy_percentage(wanted.max_healthy)
        .set_instance_warmup(wanted.warmup)
        .set_checkpoint_percentages((!wanted.checkpoints.is_empty()).then(|| wanted.checkpoints.clone()))
        .set_checkpoint_delay(wanted.checkpoint_delay)
        .set_bake_time(wanted.bake_time)
        .set_alarm_specification(alarms)
        .set_auto_rollback(wanted.auto_rollback.then_some(true))
        .build()
}

/// Has the refresh of a group that goes on turned back.
pub(super) async fn roll_back(session: &Session, group: &str) -> Result<Made, AwsError> {
    let client = session.autoscaling();
    let request = client.rollback_instance_refresh().auto_scaling_group_name(group);
    match session.call(ROLL_BACK, request.send()).await {
        // It has ended meanwhile, which is seen when it is read.
        Err(error) if error.code.as_deref() == Some("ActiveInstanceRefreshNotFound") => Ok(Made::Nothing),
        Err(error) if error.class == ErrorClass::NotFound => Ok(Made::Nothing),
        answer => answer.map(|_| Made::Nothing),
    }
}
