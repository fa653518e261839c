//! Draws the chart's dashboard as Prometheus has seen the run: each panel's queries over its whole time, as a page of HTML.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use rig::http_get;
use serde_json::Value;
use url::form_urlencoded;

/// How many samples a line has.
const SAMPLES: f64 = 240.0;
/// The range that Grafana would put in at this scrape interval, and more, as little happens in a run.
const RATE_INTERVAL: &str = "15s";
/// Pixels of a column and a row of the grid, and what is left of a panel for its title.
const GRID: (f64, f64) = (64.0, 38.0);
const TITLE: f64 = 26.0;
const COLOURS: [&str; 10] = [
    "#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300",
];

/// A series: its legend, and what it was at each time.
struct Line {
    legend: String,
    points: Vec<(f64, f64)>,
}

/// The page, and the panels that show nothing.
pub(crate) async fn draw(prometheus: &str, from: f64, to: f64) -> Result<(String, Vec<String>)> {
    let path = rig::chart_directory().join("files/dashboard.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let board: Value = serde_json::from_str(&text)?;
    let mut page = "<!doctype html><meta charset=utf-8><title>amiseal</title><style>body{background:#111217;color:#ccccdc;\
        font:12px sans-serif;margin:8px}section{position:absolute;background:#181b1f;border:1px solid #2c3235;overflow:hidden}\
        h2{font-size:13px;margin:5px 8px}h1{font-size:15px;margin:8px}td,th{padding:1px 8px;text-align:left}b{font-size:36px;\
        display:block;text-align:center}</style>"
        .to_owned();
    let mut empty = Vec::new();
    for panel in board["panels"].as_array().context("no panels")? {
        let title = panel["title"].as_str().unwrap_or_default();
        let side = |name: &str| panel["gridPos"][name].as_f64().unwrap_or_default();
        let (width, height) = (side("w") * GRID.0 - 8.0, side("h") * GRID.1 - 8.0);
        let (left, top) = (side("x") * GRID.0 + 8.0, side("y") * GRID.1 + 8.0);
        write!(
            page,
            "<section style='left:{left}px;top:{top}px;width:{width}px;height:{height}px'><h2>{title}</h2>"
        )?;
        let lines = lines(prometheus, panel, (from, to)).await?;
        let targets = panel["targets"].as_array().map_or(0, Vec::len);
        if targets > 0 && lines.is_empty() {
            empty.push(format!("the panel {title} shows nothing"));
        }
        match panel["type"].as_str() {
            Some("timeseries") => page += &plot(&lines, (from, to), (width, height - TITLE)),
            Some("stat") => {
                let last = lines.iter().filter_map(|line| line.points.last()).next_back();
                let last = last.map_or_else(|| "-".to_owned(), |(_, value)| short(*value));
                write!(page, "<b>{last}</b>")?;
            }
            Some("table") => page += &table(&lines),
            _ => {}
        }
        page += "</section>";
    }
    Ok((page, empty))
}

/// What all queries of a panel gave. Variables stand for all.
async fn lines(prometheus: &str, panel: &Value, (from, to): (f64, f64)) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let query = target["expr"].as_str().unwrap_or_default();
        let all = ["$cluster", "$policy", "$account", "$region"];
        let query = all
            .iter()
            .fold(query.to_owned(), |query, name| query.replace(name, ".*"));
        let query = query.replace("$__rate_interval", RATE_INTERVAL);
        let step = ((to - from) / SAMPLES).max(1.0);
        let asked = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", &query)
            .append_pair("start", &from.to_string())
            .append_pair("end", &to.to_string())
            .append_pair("step", &step.to_string())
            .finish();
        let (status, answer) = http_get(&format!("http://{prometheus}/api/v1/query_range?{asked}")).await?;
        ensure!(status == 200, "Prometheus answers {status} to {query}: {answer}");
        let answer: Value = serde_json::from_str(&answer)?;
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        for series in answer["data"]["result"].as_array().context("no result")? {
            let points = series["values"].as_array().into_iter().flatten();
            let number = |point: &Value| Some((point[0].as_f64()?, point[1].as_str()?.parse().ok()?));
            let points: Vec<(f64, f64)> = points
                .filter_map(number)
                .filter(|(_, value): &(f64, f64)| value.is_finite())
                .collect();
            if !points.is_empty() {
                let legend = named(legend, target["refId"].as_str().unwrap_or_default(), &series["metric"]);
                lines.push(Line { legend, points });
            }
        }
    }
    Ok(lines)
}

/// A legend with the labels put in; without a legend, the query's letter and all labels.
fn named(legend: &str, query: &str, labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    let labels: Vec<(&String, &str)> = labels
        .map(|(name, value)| (name, value.as_str().unwrap_or_default()))
        .collect();
    if legend == "__auto" {
        let values: Vec<&str> = labels.iter().map(|(_, value)| *value).collect();
        return format!("{query} {}", values.join(" "));
    }
    labels.iter().fold(legend.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

fn plot(lines: &[Line], (from, to): (f64, f64), (width, height): (f64, f64)) -> String {
    let values = lines.iter().flat_map(|line| &line.points);
    let top = values.map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let floor = height - 46.0;
    let x = |time: f64| 46.0 + (time - from) / (to - from) * (width - 60.0);
    let y = |value: f64| 8.0 + (1.0 - value / top) * (floor - 8.0);
    let mut svg = format!("<svg width={width} height={height} font-size=11 fill='#ccccdc'>");
    for part in [0.0, 0.5, 1.0] {
        let (at, value) = (y(top * part), short(top * part));
        let _ = write!(
            svg,
            "<path d='M46 {at}H{width}' stroke='#2c3235'/><text x=2 y={}>{value}</text>",
            at + 4.0
        );
    }
    let mut legend = 46.0;
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points = line
            .points
            .iter()
            .map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value)));
        let points: Vec<String> = points.collect();
        let _ = write!(
            svg,
            "<polyline points='{}' fill=none stroke='{colour}'/>",
            points.join(" ")
        );
        if legend < width {
            let _ = write!(
                svg,
                "<text x={legend} y={} fill='{colour}'>{}</text>",
                height - 20.0,
                line.legend
            );
            legend += 12.0 + 6.2 * line.legend.chars().map(|_| 1.0).sum::<f64>();
        }
    }
    svg + "</svg>"
}

fn table(lines: &[Line]) -> String {
    let rows = lines.iter().filter_map(|line| {
        let (_, value) = line.points.last()?;
        Some(format!("<tr><td>{}<td>{}", line.legend, short(*value)))
    });
    format!("<table>{}</table>", rows.collect::<String>())
}

/// A number in few signs.
fn short(value: f64) -> String {
    let steps = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match steps.iter().find(|(step, _)| value >= *step) {
        Some((step, unit)) => format!("{:.1}{unit}", value / step),
        None if value.fract() == 0.0 => format!("{value}"),
        None => format!("{value:.2}"),
    }
}
