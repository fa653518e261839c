//! One page for a browser. It has all it needs in itself, and may ask nobody for anything.
//!
//! Names and tags are anybody's. Here they are escaped, the page's script only ever sets text, and what the page may do is said by
//! a Content-Security-Policy with the hashes of its own style and script.

use std::fmt::Write as _;
use std::io;

use sha2::{Digest, Sha256};

use crate::cli::text::printable;
use crate::plan::findings::report::Report;
use crate::plan::findings::{Check, Severity};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Writes the page.
pub(super) fn write(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    let day = escaped(report.generated.get(..10).unwrap_or(&report.generated));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>Machine images, {day}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        policy()
    )?;
    out.write_all(body(report).as_bytes())?;
    write!(
        out,
        "<script type=\"application/json\" id=\"report\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        data(report)?
    )
}

/// Nothing but the page's own style and script, and no way for it to make markup of text.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", aws_smithy_types::base64::encode(Sha256::digest(text)))
}

/// The report as JSON that ends no script, whatever is in it.
fn data(report: &Report) -> io::Result<String> {
    let json = serde_json::to_string(report)?;
    let mut out = String::with_capacity(json.len());
    for sign in json.chars() {
        match sign {
            // Outside of texts JSON has none of these.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(sign));
            }
            _ => out.push(sign),
        }
    }
    Ok(out)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for sign in printable(text).chars() {
        match sign {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(sign),
        }
    }
    out
}

fn body(report: &Report) -> String {
    let mut text = format!(
        "<header>\n<h1>Machine images</h1>\n<p>Read from {} by amiseal {} at <time>{}</time>.</p>\n</header>\n<main>\n",
        report.source.map_or("AWS", |_| "the statuses of a cluster"),
        env!("CARGO_PKG_VERSION"),
        escaped(&report.generated)
    );
    text += &summary(report);
    text += "<noscript><p class=\"note\">The lists below need JavaScript, which this page has in itself. \
             <code>amiseal report --output markdown</code> needs none.</p></noscript>\n";
    text += &section("scopes", "Accounts and regions", "");
    text += &checks(report);
    text += &section("findings", "Findings", &filters(report));
    if report.fixed.as_ref().is_some_and(|fixed| !fixed.is_empty()) {
        text += &section("fixed", "Fixed", "");
    }
    let images = format!(
        "{}{}",
        select("images", "encryption", "Encryption", &["unencrypted", "encrypted"]),
        select("images", "usage", "Use", &["used", "unused", "unknown"])
    );
    text += &section("images", "Images and who uses them", &form("images", &images));
    text += &section("exempt", "Exemptions", "");
    if report
        .scopes
        .iter()
        .any(|scope| scope.problem.is_some() || !scope.unknown.is_empty())
    {
        text += &section("unread", "What could not be read", "");
    }
    text += "</main>\n";
    text
}

/// What a reader wants to know first.
fn summary(report: &Report) -> String {
    let images: Vec<_> = report.scopes.iter().filter_map(|scope| scope.images).collect();
    let total: usize = images.iter().map(|counts| counts.total).sum();
    let unencrypted: usize = images.iter().map(|counts| counts.unencrypted).sum();
    let mut tiles = vec![
        ("unencrypted images".to_owned(), format!("{unencrypted} of {total}")),
        (
            "images in use".to_owned(),
            images.iter().map(|counts| counts.used).sum::<usize>().to_string(),
        ),
        (
            "unused images".to_owned(),
            images.iter().map(|counts| counts.unused).sum::<usize>().to_string(),
        ),
    ];
    if let (_, Some(cost)) = report.unused() {
        tiles.push(("a month at most for unused images".to_owned(), cost));
    }
    let counts = report.counts();
    for severity in Severity::ALL {
        let such = counts.iter().filter(|(check, _)| check.severity() == severity);
        tiles.push((
            format!("{severity} findings"),
            such.map(|(_, count)| count).sum::<usize>().to_string(),
        ));
    }
    if let Some(since) = &report.since {
        tiles.push((
            format!("new since {}", since.generated.strftime("%Y-%m-%d")),
            since.new.to_string(),
        ));
        tiles.push(("fixed since then".to_owned(), since.fixed.to_string()));
        if since.not_compared > 0 {
            tiles.push(("not looked for again".to_owned(), since.not_compared.to_string()));
        }
    }
    let mut text = "<section aria-labelledby=\"summary-title\">\n<h2 id=\"summary-title\">Summary</h2>\n".to_owned();
    let failed = report.scopes.iter().filter(|scope| scope.problem.is_some()).count();
    if failed > 0 {
        let _ = writeln!(
            text,
            "<p class=\"note\">{failed} of {} accounts and regions could not be read: <a href=\"#unread\">what could not be \
             read</a>.</p>",
            report.scopes.len()
        );
    }
    text += "<dl class=\"tiles\">\n";
    for (what, count) in tiles {
        let _ = writeln!(
            text,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escaped(&what),
            escaped(&count)
        );
    }
    text += "</dl>\n</section>\n";
    text
}

/// The checks that have found something, with what to do: this is there without a script too.
fn checks(report: &Report) -> String {
    let mut text = "<section aria-labelledby=\"checks-title\">\n<h2 id=\"checks-title\">Checks</h2>\n".to_owned();
    let counts = report.counts();
    if counts.is_empty() {
        text += "<p>Nothing is wrong with what was read.</p>\n</section>\n";
        return text;
    }
    text += "<table role=\"table\">\n<caption>What was found, the worst first, and how to fix it</caption>\n<thead role=\"rowgroup\">\
             <tr role=\"row\">";
    for title in ["Severity", "Check", "Why it matters", "Fix", "Findings"] {
        let _ = write!(text, "<th role=\"columnheader\" scope=\"col\">{title}</th>");
    }
    text += "</tr></thead>\n<tbody role=\"rowgroup\">\n";
    for (check, count) in counts {
        let severity = check.severity();
        let _ = write!(
            text,
            "<tr role=\"row\"><td role=\"cell\" data-label=\"Severity\"><div><span class=\"badge {severity}\">{severity}</span></div></td>\
             <th role=\"rowheader\" scope=\"row\" data-label=\"Check\"><div>{} <code>{}</code></div></th>",
            escaped(check.title()),
            check.id()
        );
        for (label, said) in [("Why it matters", check.why()), ("Fix", check.fix())] {
            let _ = write!(
                text,
                "<td role=\"cell\" data-label=\"{label}\"><div>{}</div></td>",
                with_code(said)
            );
        }
        let _ = writeln!(
            text,
            "<td role=\"cell\" class=\"number\" data-label=\"Findings\"><div>{count}</div></td></tr>"
        );
    }
    text += "</tbody>\n</table>\n</section>\n";
    text
}

/// A sentence of a check, whose words of AWS stand between backticks.
fn with_code(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate().map(|(number, part)| match number % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

fn filters(report: &Report) -> String {
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    let found = |check: &&Check| report.findings.iter().any(|finding| finding.check == check.id());
    let checks: Vec<&str> = Check::ALL.iter().filter(found).map(|check| check.id()).collect();
    let mut fields = select("findings", "severity", "Severity", &severities);
    fields += &select("findings", "check", "Check", &checks);
    if report.since.is_some() {
        fields += &select("findings", "change", "Change", &["new", "unchanged"]);
    }
    form("findings", &fields)
}

fn form(section: &str, fields: &str) -> String {
    format!(
        "<form class=\"filters\" role=\"search\" aria-label=\"Filter the {section}\">\n\
         <label>Text <input type=\"search\" id=\"{section}-text\" autocomplete=\"off\" spellcheck=\"false\"></label>\n\
         {fields}<button type=\"reset\">Clear</button>\n</form>\n"
    )
}

fn select(section: &str, field: &str, label: &str, values: &[&str]) -> String {
    let mut text = format!(
        "<label>{label} <select id=\"{section}-{field}\" data-field=\"{field}\"><option value=\"\">all</option>"
    );
    for value in values {
        let _ = write!(text, "<option>{}</option>", escaped(value));
    }
    text += "</select></label>\n";
    text
}

/// A section that the script fills.
fn section(id: &str, title: &str, form: &str) -> String {
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{form}\
         <p class=\"status\" role=\"status\"></p>\n<div class=\"list\"></div>\n</section>\n"
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_anybody_may_write_is_text_and_ends_no_script() {
        assert_eq!(escaped("<b a='\"'>&\u{7}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}");
        let mut report = Report::new(Timestamp::UNIX_EPOCH);
        report.generated = "</script><!--\u{2028}&".to_owned();
        let data = data(&report).expect("JSON");
        assert!(!data.contains(['<', '>', '&', '\u{2028}']), "{data}");
        let read: serde_json::Value = serde_json::from_str(&data).expect("JSON all the same");
        assert_eq!(read["generated"], report.generated);
    }

    #[test]
    fn the_page_has_nothing_that_its_policy_forbids() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"), "it would end its element");
            for word in ["http:", "https:", "url(", "@import", "innerHTML", "eval(", "fetch("] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
