//! DescribeRegions.

use std::collections::BTreeMap;

use super::invalid_value;
use super::list::Filters;
use crate::engine::{Done, Outcome, Request, State};
use crate::spec::OptIn;
use crate::wire::Xml;

/// Runs DescribeRegions: the regions of any account; one that the caller's account does not list is enabled in it
/// when it needs no opt-in where it is listed.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::read(params)?;
    let all = params.flag("AllRegions")?;
    let wanted = params.list("RegionName");
    let mut regions: BTreeMap<String, OptIn> = BTreeMap::new();
    for (account, region) in state.world.regions() {
        let own = account.id == request.account();
        let elsewhere = match region.opt_in {
            OptIn::OptInNotRequired => OptIn::OptInNotRequired,
            OptIn::OptedIn | OptIn::NotOptedIn => OptIn::NotOptedIn,
        };
        if own {
            regions.insert(region.name.clone(), region.opt_in);
        } else {
            regions.entry(region.name.clone()).or_insert(elsewhere);
        }
    }
    // The loop above meets accounts in order of ID: what the caller's own says must win in the end.
    if let Some(account) = state.world.accounts.get(request.account()) {
        for region in account.regions.values() {
            regions.insert(region.name.clone(), region.opt_in);
        }
    }
    if let Some(unknown) = wanted.iter().find(|w| !regions.contains_key(**w)) {
        return Err(invalid_value(format!("Invalid region provided: {unknown}")));
    }
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    let mut shown = Vec::new();
    for (name, opt_in) in regions {
        let named = wanted.contains(&name.as_str());
        if (!wanted.is_empty() && !named) || (!all && !named && opt_in == OptIn::NotOptedIn) {
            continue;
        }
        let accepted = filters.accept(|filter| match filter {
            "region-name" => Some(vec![name.clone()]),
            "endpoint" => Some(vec![endpoint(&name)]),
            "opt-in-status" => Some(vec![opt_in.as_str().to_owned()]),
            _ => None,
        })?;
        if accepted {
            shown.push((name, opt_in));
        }
    }
    let mut xml = Xml::new();
    xml.list("regionInfo", shown, |x, (name, opt_in)| {
        x.text("regionName", &name);
        x.text("regionEndpoint", &endpoint(&name));
        x.text("optInStatus", opt_in.as_str());
    });
    Ok(Done::read(xml))
}
