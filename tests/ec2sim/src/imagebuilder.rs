//! EC2 Image Builder: lists of recipes, and single ones.

use serde_json::{Value, json};

use crate::clock::SimTime;
use crate::engine::{Done, Operation, Outcome, Request, State, anything, run_of};
use crate::glob;
use crate::model::{Consumers, ContainerRecipe, ImageRecipe, TemplateDevice};
use crate::paging::{Ask, cut, size_of};
use crate::wire::ApiError;

const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "ListImageRecipes",
        about: anything,
        run: list_images,
    },
    Operation {
        name: "GetImageRecipe",
        about: about_image,
        run: get_image,
    },
    Operation {
        name: "ListContainerRecipes",
        about: anything,
        run: list_containers,
    },
    Operation {
        name: "GetContainerRecipe",
        about: about_container,
        run: get_container,
    },
];

/// Runs an operation of Image Builder.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    run_of(&OPERATIONS, state, request)
}

fn consumers<'a>(state: &'a State, request: &Request) -> Option<&'a Consumers> {
    state
        .world
        .region(request.account(), &request.region)
        .map(|r| &r.consumers)
}

fn about(request: &Request, parameter: &str) -> Vec<String> {
    vec![request.params.get(parameter).unwrap_or("*").to_owned()]
}

fn about_image(_: &State, request: &Request) -> Vec<String> {
    about(request, "imageRecipeArn")
}

fn about_container(_: &State, request: &Request) -> Vec<String> {
    about(request, "containerRecipeArn")
}

/// What the filters of lists look at.
struct Facts<'a> {
    name: &'a str,
    parent: &'a str,
    platform: &'a str,
}

fn accepts(request: &Request, facts: &Facts<'_>) -> Result<bool, ApiError> {
    let params = &request.params;
    // Only the account's own recipes are in this world.
    if params.get("owner").is_some_and(|owner| owner != "Self") {
        return Ok(false);
    }
    for i in params.indices("filters") {
        let name = params.get(&format!("filters.{i}.name")).unwrap_or_default();
        let has = match name {
            "name" => facts.name,
            "parentImage" => facts.parent,
            "platform" => facts.platform,
            other => return Err(request.service.invalid(format!("The filter {other} is not valid"))),
        };
        let values = params.list(&format!("filters.{i}.values"));
        if !values.iter().any(|v| glob::matches(v, has)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lists the recipes of these keys, each shown by `show`.
fn list(
    state: &mut State,
    request: &Request,
    keys: Vec<String>,
    field: &str,
    show: fn(&State, &Request, &str) -> Option<Value>,
) -> Outcome {
    let params = &request.params;
    let ask = Ask {
        size: size_of(params, request.service, "maxResults", (1, 100, 25))?,
        token: params.get("nextToken"),
        whole: params.indices("filters").is_empty(),
    };
    let page = cut(state, request, keys, &ask)?;
    let shown: Vec<Value> = page.ids.iter().filter_map(|key| show(state, request, key)).collect();
    let mut answer = json!({ "requestId": state.request_id(), field: shown });
    if let Some(next) = page.next {
        answer["nextToken"] = json!(next);
    }
    Ok(Done::json(answer))
}

fn list_images(state: &mut State, request: &Request) -> Outcome {
    let mut keys = Vec::new();
    let recipes = consumers(state, request).into_iter();
    for (key, recipe) in recipes.flat_map(|c| c.image_recipes.seen(request.now)) {
        let facts = Facts {
            name: &recipe.name,
            parent: &recipe.parent_image,
            platform: &recipe.platform,
        };
        if accepts(request, &facts)? {
            keys.push(key.to_owned());
        }
    }
    list(state, request, keys, "imageRecipeSummaryList", |state, request, key| {
        let recipe = consumers(state, request)?.image_recipes.get_seen(key, request.now)?;
        Some(json!({
            "arn": request.arn(state, &format!("image-recipe/{key}")),
            "name": recipe.name,
            "platform": recipe.platform,
            "owner": request.account(),
            "parentImage": recipe.parent_image,
            "dateCreated": date(recipe.created),
            "tags": recipe.tags,
        }))
    })
}

fn list_containers(state: &mut State, request: &Request) -> Outcome {
    let mut keys = Vec::new();
    let recipes = consumers(state, request).into_iter();
    for (key, recipe) in recipes.flat_map(|c| c.container_recipes.seen(request.now)) {
        let facts = Facts {
            name: &recipe.name,
            parent: &recipe.parent_image,
            platform: &recipe.platform,
        };
        if accepts(request, &facts)? {
            keys.push(key.to_owned());
        }
    }
    list(
        state,
        request,
        keys,
        "containerRecipeSummaryList",
        |state, request, key| {
            let recipe = consumers(state, request)?
                .container_recipes
                .get_seen(key, request.now)?;
            let mut summary = json!({
                "arn": request.arn(state, &format!("container-recipe/{key}")),
                "containerType": "DOCKER",
                "name": recipe.name,
                "platform": recipe.platform,
                "owner": request.account(),
                "parentImage": recipe.parent_image,
                "dateCreated": date(recipe.created),
                "tags": recipe.tags,
            });
            if let Some(image) = &recipe.instance_image {
                summary["instanceImage"] = json!(image);
            }
            Some(summary)
        },
    )
}

fn date(at: Option<SimTime>) -> String {
    at.unwrap_or_default().to_string()
}

/// Name and version in the ARN of a recipe of the caller's own.
fn key_of<'a>(state: &State, request: &'a Request, parameter: &str, kind: &str) -> Result<&'a str, ApiError> {
    let arn = request.params.get(parameter).unwrap_or_default();
    arn.strip_prefix(&request.arn(state, &format!("{kind}/")))
        .ok_or_else(|| not_found(request, arn))
}

fn not_found(request: &Request, arn: &str) -> ApiError {
    request.service.invalid(format!("The recipe '{arn}' can not be found"))
}

/// The key that is meant: the `x` of a version stands for the newest.
fn newest<'a>(keys: impl Iterator<Item = &'a str>, wanted: &str) -> Option<&'a str> {
    let numbers = |key: &str| -> Vec<u32> {
        let version = key.rsplit('/').next().unwrap_or_default();
        version.split('.').map(|n| n.parse().unwrap_or(0)).collect()
    };
    let (name, version) = wanted.rsplit_once('/')?;
    let parts: Vec<&str> = version.split('.').collect();
    keys.filter(|key| {
        key.rsplit_once('/').is_some_and(|(n, v)| {
            let have: Vec<&str> = v.split('.').collect();
            n == name && have.len() == parts.len() && parts.iter().zip(&have).all(|(w, h)| *w == "x" || w == h)
        })
    })
    .max_by_key(|key| numbers(key))
}

fn get_image(state: &mut State, request: &Request) -> Outcome {
    let wanted = key_of(state, request, "imageRecipeArn", "image-recipe")?;
    let id = state.request_id();
    let recipes = consumers(state, request).map(|c| &c.image_recipes);
    let found = recipes.and_then(|recipes| {
        let key = newest(recipes.seen(request.now).map(|(key, _)| key), wanted)?;
        Some((key, recipes.get_seen(key, request.now)?))
    });
    let (key, recipe) = found.ok_or_else(|| not_found(request, wanted))?;
    let arn = request.arn(state, &format!("image-recipe/{key}"));
    Ok(Done::json(
        json!({ "requestId": id, "imageRecipe": image_recipe(recipe, &arn, request.account()) }),
    ))
}

fn image_recipe(recipe: &ImageRecipe, arn: &str, owner: &str) -> Value {
    json!({
        "arn": arn,
        "name": recipe.name,
        "platform": recipe.platform,
        "owner": owner,
        "version": recipe.version,
        "components": [],
        "parentImage": recipe.parent_image,
        "blockDeviceMappings": recipe.devices.iter().map(device).collect::<Vec<_>>(),
        "dateCreated": date(recipe.created),
        "tags": recipe.tags,
        "workingDirectory": "/tmp",
    })
}

fn device(device: &TemplateDevice) -> Value {
    let mut ebs = json!({});
    for (key, value) in [
        ("encrypted", json!(device.encrypted)),
        ("deleteOnTermination", json!(device.delete_on_termination)),
        ("iops", json!(device.iops)),
        ("kmsKeyId", json!(device.key)),
        ("snapshotId", json!(device.snapshot)),
        ("volumeSize", json!(device.gib)),
        ("volumeType", json!(device.volume_type)),
        ("throughput", json!(device.throughput)),
    ] {
        if !value.is_null() {
            ebs[key] = value;
        }
    }
    let mut mapping = json!({ "deviceName": device.device });
    match &device.virtual_name {
        Some(name) => mapping["virtualName"] = json!(name),
        None if device.no_device => mapping["noDevice"] = json!(""),
        None => mapping["ebs"] = ebs,
    }
    mapping
}

fn get_container(state: &mut State, request: &Request) -> Outcome {
    let wanted = key_of(state, request, "containerRecipeArn", "container-recipe")?;
    let id = state.request_id();
    let recipes = consumers(state, request).map(|c| &c.container_recipes);
    let found = recipes.and_then(|recipes| {
        let key = newest(recipes.seen(request.now).map(|(key, _)| key), wanted)?;
        Some((key, recipes.get_seen(key, request.now)?))
    });
    let (key, recipe) = found.ok_or_else(|| not_found(request, wanted))?;
    let arn = request.arn(state, &format!("container-recipe/{key}"));
    Ok(Done::json(
        json!({ "requestId": id, "containerRecipe": container_recipe(recipe, &arn, request.account()) }),
    ))
}

fn container_recipe(recipe: &ContainerRecipe, arn: &str, owner: &str) -> Value {
    let mut value = json!({
        "arn": arn,
        "containerType": "DOCKER",
        "name": recipe.name,
        "platform": recipe.platform,
        "owner": owner,
        "version": recipe.version,
        "components": [],
        "encrypted": true,
        "parentImage": recipe.parent_image,
        "dateCreated": date(recipe.created),
        "tags": recipe.tags,
        "workingDirectory": "/tmp",
        "targetRepository": {"service": "ECR", "repositoryName": recipe.name.to_lowercase()},
    });
    if let Some(image) = &recipe.instance_image {
        value["instanceConfiguration"] = json!({ "image": image });
    }
    value
}
