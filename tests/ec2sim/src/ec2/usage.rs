//! Usage reports: who else uses an image, told some time after it was asked.

use std::collections::BTreeMap;

use super::list::{Filters, page_by_default, tag_values};
use super::references::{CONTAINER_RECIPE, IMAGE_RECIPE, INSTANCE, TEMPLATE, depth, names_image};
use super::{check_image_id, image_not_found, invalid_value, own_image, tags};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Account, UsageReport};
use crate::spec::{ReportOutcome, is_account_id};
use crate::wire::{ApiError, Params, Xml};

const TYPES: [&str; 4] = [INSTANCE, TEMPLATE, IMAGE_RECIPE, CONTAINER_RECIPE];

/// How many of the newest versions of a launch template are looked at, unless it is said.
const VERSIONS: u64 = 20;

type Types = BTreeMap<String, Option<u64>>;

fn read_types(params: &Params) -> Result<Types, ApiError> {
    let mut types = BTreeMap::new();
    for i in params.indices("ResourceType") {
        let prefix = format!("ResourceType.{i}");
        let name = params.required(&format!("{prefix}.ResourceType"))?;
        if !TYPES.contains(&name) {
            return Err(invalid_value(format!("Invalid value '{name}' for ResourceType")));
        }
        let mut versions = None;
        for j in params.indices(&format!("{prefix}.ResourceTypeOption")) {
            let prefix = format!("{prefix}.ResourceTypeOption.{j}");
            let option = params.required(&format!("{prefix}.OptionName"))?;
            match (name, option, &params.list(&format!("{prefix}.OptionValue"))[..]) {
                (TEMPLATE, "version-depth", [one]) => versions = Some(depth(one)?),
                _ => return Err(invalid_value(format!("The option '{option}' is not valid for {name}"))),
            }
        }
        types.insert(name.to_owned(), versions);
    }
    if types.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter ResourceTypes",
        ));
    }
    Ok(types)
}

/// Runs CreateImageUsageReport.
pub(super) fn create(state: &mut State, request: &Request) -> Outcome {
    let image = request.params.required("ImageId")?.to_owned();
    let types = read_types(&request.params)?;
    let accounts: Vec<String> = request
        .params
        .list("AccountId")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if accounts.len() > 200 {
        return Err(invalid_value("Specify at most 200 account IDs"));
    }
    if let Some(bad) = accounts.iter().find(|a| !is_account_id(a)) {
        return Err(invalid_value(format!("Invalid value '{bad}' for AccountId")));
    }
    let tags = report_tags(&request.params)?;
    own_image(state, request, &image)?;
    let token = request.params.get("ClientToken").map(str::to_owned);
    let token = token.map(|token| (token, request.params.fingerprint(&["ClientToken", "DryRun"])));
    let now = request.now;
    let reports = reports_mut(state, request)?;
    reports.retain(|_, report| now < report.expires());
    if let Some((token, parameters)) = &token {
        let of_token = |report: &UsageReport| report.token.as_ref().filter(|(known, _)| known == token).cloned();
        let known = reports.iter().find_map(|(id, report)| Some((id, of_token(report)?)));
        if let Some((id, (_, known))) = known {
            if known != *parameters {
                return Err(ApiError::new(
                    "IdempotentParameterMismatch",
                    "The client token was used with other parameters",
                ));
            }
            let mut xml = Xml::new();
            xml.text("reportId", id);
            return Ok(Done::wrote(xml, Vec::new()));
        }
    }
    if let Some((id, _)) = reports.iter().find(|(_, report)| report.image == image) {
        return Err(ApiError::new(
            "ImageUsageReportAlreadyExists",
            format!("There is a usage report of the image {image} already: {id}"),
        ));
    }
    let entries = count(state, request, &image, &types, &accounts);
    let settings = &state.settings.usage_reports;
    let (ready, fails) = (
        now.plus_seconds(settings.seconds.max(0.0)),
        settings.outcome == ReportOutcome::Error,
    );
    let id = format!("amiur-{}", state.hex(17));
    let report = UsageReport {
        image,
        types,
        accounts,
        created: now,
        ready,
        fails,
        tags,
        token,
        entries,
    };
    reports_mut(state, request)?.insert(id.clone(), report);
    let mut xml = Xml::new();
    xml.text("reportId", &id);
    Ok(Done::wrote(xml, vec![id]))
}

fn report_tags(params: &Params) -> Result<crate::model::Tags, ApiError> {
    let mut all = crate::model::Tags::new();
    for i in params.indices("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        if params.get(&format!("{prefix}.ResourceType")) != Some("image-usage-report") {
            return Err(invalid_value(
                "The resource type of the tags must be image-usage-report",
            ));
        }
        all.extend(tags::read(params, &format!("{prefix}.Tag"))?);
    }
    Ok(all)
}

fn reports_mut<'a>(state: &'a mut State, request: &Request) -> Result<&'a mut BTreeMap<String, UsageReport>, ApiError> {
    state
        .world
        .region_mut(request.account(), &request.region)
        .map(|r| &mut r.consumers.usage_reports)
        .ok_or_else(|| image_not_found(&[]))
}

/// How many resources of each kind other accounts have that use the image, as far as it is known by now.
fn count(state: &State, request: &Request, image: &str, types: &Types, only: &[String]) -> Vec<(String, String, u64)> {
    let mut entries = Vec::new();
    let others = state.world.accounts.values().filter(|a| a.id != request.account());
    for account in others.filter(|a| only.is_empty() || only.contains(&a.id)) {
        for (kind, versions) in types {
            let number = count_in(state, request, account, image, kind, *versions);
            if number > 0 {
                entries.push((account.id.clone(), kind.clone(), number));
            }
        }
    }
    entries
}

fn count_in(
    state: &State,
    request: &Request,
    account: &Account,
    image: &str,
    kind: &str,
    versions: Option<u64>,
) -> u64 {
    let Some(consumers) = account.regions.get(&request.region).map(|r| &r.consumers) else {
        return 0;
    };
    let settings = &state.settings.usage_reports;
    let now = request.now;
    let known = |at: Option<SimTime>, lag: f64| at.is_none_or(|t| lag <= 0.0 || t.plus_seconds(lag) <= now);
    let is_image = |text: &str| state.world.resolve_image(&account.id, &request.region, text) == Some(image);
    let number = match kind {
        INSTANCE => consumers
            .instances
            .seen(now)
            .filter(|(_, i)| i.image == image && i.is_there())
            .filter(|(_, i)| known(i.launch_time, settings.instance_lag_seconds))
            .count(),
        TEMPLATE => consumers
            .launch_templates
            .seen(now)
            .filter(|(_, t)| {
                let mut old = (*t).clone();
                old.versions.retain(|v| known(v.created, settings.template_lag_seconds));
                let depth = versions.unwrap_or(VERSIONS);
                names_image(state, &account.id, &old, image, depth, &request.region)
            })
            .count(),
        IMAGE_RECIPE => consumers
            .image_recipes
            .seen(now)
            .filter(|(_, r)| is_image(&r.parent_image))
            .count(),
        _ => consumers
            .container_recipes
            .seen(now)
            .filter(|(_, r)| r.instance_image.as_deref().is_some_and(is_image))
            .count(),
    };
    number as u64
}

/// The reports that are asked for, by ID or by image.
fn asked(state: &State, request: &Request) -> Result<Vec<(String, UsageReport)>, ApiError> {
    let params = &request.params;
    let (ids, images) = (params.list("ReportId"), params.list("ImageId"));
    for id in &images {
        check_image_id(id)?;
    }
    let region = state.world.region(request.account(), &request.region);
    let all: Vec<(String, UsageReport)> = region
        .into_iter()
        .flat_map(|r| &r.consumers.usage_reports)
        .filter(|(_, report)| request.now < report.expires())
        .filter(|(id, _)| ids.is_empty() || ids.contains(&id.as_str()))
        .map(|(id, report)| (id.clone(), report.clone()))
        .collect();
    if let Some(id) = ids.iter().find(|id| all.iter().all(|(have, _)| have != *id)) {
        return Err(no_such_report(id));
    }
    let of_image = |(_, report): &(String, UsageReport)| images.is_empty() || images.contains(&report.image.as_str());
    Ok(all.into_iter().filter(of_image).collect())
}

fn no_such_report(id: &str) -> ApiError {
    ApiError::new(
        "InvalidImageUsageReportId.NotFound",
        format!("The image usage report '{id}' does not exist"),
    )
}

/// Runs DescribeImageUsageReports.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&["creation-time", "state", "tag-key"])?;
    let mut reports = BTreeMap::new();
    for (id, report) in asked(state, request)? {
        let accepted = filters.accept(|name| match name {
            "creation-time" => Some(vec![report.created.to_string()]),
            "state" => Some(vec![report.state(request.now).to_owned()]),
            _ => tag_values(name, &report.tags),
        })?;
        if accepted {
            reports.insert(id, report);
        }
    }
    let ids = reports.keys().cloned().collect();
    let page = page_by_default(state, request, ids, (1, 1000), &["ReportId", "ImageId"])?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|id| Some((id, reports.get(id)?)));
    xml.list("imageUsageReportSet", shown, |x, (id, report)| {
        write_report(x, id, report, request.now);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

fn write_report(x: &mut Xml, id: &str, report: &UsageReport, now: SimTime) {
    x.text("imageId", &report.image);
    x.text("reportId", id);
    x.list("resourceTypeSet", &report.types, |x, (kind, versions)| {
        x.text("resourceType", kind);
        if let Some(versions) = versions {
            x.list("resourceTypeOptionSet", [versions], |x, versions| {
                x.text("optionName", "version-depth");
                x.nest("optionValueSet", |x| x.value("item", versions));
            });
        }
    });
    if !report.accounts.is_empty() {
        x.nest("accountIdSet", |x| {
            report.accounts.iter().for_each(|a| x.text("item", a))
        });
    }
    let state = report.state(now);
    x.text("state", state);
    if state == "error" {
        x.text("stateReason", "The report could not be created.");
    }
    x.value("creationTime", report.created);
    x.value("expirationTime", report.expires());
    if !report.tags.is_empty() {
        tags::write(x, &report.tags);
    }
}

/// Runs DescribeImageUsageReportEntries: of reports that are available.
pub(super) fn describe_entries(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&["account-id", "creation-time", "resource-type"])?;
    let mut entries = BTreeMap::new();
    for (id, report) in asked(state, request)? {
        if report.state(request.now) != "available" {
            continue;
        }
        for (account, kind, number) in &report.entries {
            let accepted = filters.accept(|name| match name {
                "account-id" => Some(vec![account.clone()]),
                "creation-time" => Some(vec![report.created.to_string()]),
                "resource-type" => Some(vec![kind.clone()]),
                _ => None,
            })?;
            if accepted {
                let entry = (id.clone(), report.clone(), account.clone(), kind.clone(), *number);
                entries.insert(format!("{id} {account} {kind}"), entry);
            }
        }
    }
    let keys = entries.keys().cloned().collect();
    let page = page_by_default(state, request, keys, (1, 1000), &["ReportId", "ImageId"])?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|key| entries.get(key));
    xml.list(
        "imageUsageReportEntrySet",
        shown,
        |x, (id, report, account, kind, number)| {
            x.text("resourceType", kind);
            x.text("reportId", id);
            x.value("usageCount", number);
            x.text("accountId", account);
            x.text("imageId", &report.image);
            x.value("reportCreationTime", report.created);
        },
    );
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// Runs DeleteImageUsageReport.
pub(super) fn delete(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ReportId")?.to_owned();
    reports_mut(state, request)?
        .remove(&id)
        .ok_or_else(|| no_such_report(&id))?;
    Ok(Done::returned(vec![id]))
}
