//! What a document in Markdown asks to be done.

/// One thing to do, and the line of the document where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Somebody writes a file.
    File { name: String, text: String },
    /// Somebody runs a command, and sees this.
    Command { command: String, shown: Vec<String> },
    /// Somebody changes something in AWS.
    Aws(String),
}

/// Reads a document.
///
/// # Panics
/// Where it does not keep to the rules that [the crate](crate) states.
pub(crate) fn read(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before = "";
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
            match language {
                "console" => commands(&block, &mut steps),
                "yaml" | "json" => {
                    let name = file_name(before, language)
                        .unwrap_or_else(|| panic!("line {number}: the sentence before a file ends with its name"));
                    let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
                    let what = What::File { name, text };
                    steps.push(Step { line: number, what });
                }
                other => panic!("line {number}: `{other}` is neither console, yaml nor json, and would go unchecked"),
            }
        } else if let Some(edit) = line.strip_prefix("<!-- aws: ") {
            let edit = edit.strip_suffix(" -->").expect("a comment of one line").to_owned();
            let what = What::Aws(edit);
            steps.push(Step { line: number, what });
        } else {
            assert!(!line.starts_with("$ "), "line {number}: a command stands in no block");
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// The name in backquotes that a line ends with, before a colon.
fn file_name(line: &str, extension: &str) -> Option<String> {
    let name = line.strip_suffix("`:")?.rsplit('`').next()?;
    name.ends_with(&format!(".{extension}")).then(|| name.to_owned())
}

fn commands(block: &[(usize, &str)], steps: &mut Vec<Step>) {
    let mut goes_on = false;
    for (number, line) in block {
        let last = steps.last_mut().map(|step| &mut step.what);
        match (line.strip_prefix("$ "), last) {
            (None, Some(What::Command { command, .. })) if goes_on => *command += &format!("\n{line}"),
            (Some(command), _) => {
                let (command, shown) = (command.to_owned(), Vec::new());
                let what = What::Command { command, shown };
                steps.push(Step { line: *number, what });
            }
            (None, Some(What::Command { shown, .. })) => {
                shown.push((*line).to_owned());
                continue;
            }
            _ => panic!("line {number}: output stands before the first command"),
        }
        goes_on = line.ends_with('\\');
    }
}

#[test]
fn files_commands_and_what_is_done_in_aws_are_read_in_order() {
    let text = "\
Write `a.yaml`:

```yaml
a: 1
```

```console
$ one \\
    two
out

more
$ three
```
<!-- aws: {} -->
";
    let command = |line, command: &str, shown: &[&str]| Step {
        line,
        what: What::Command {
            command: command.to_owned(),
            shown: shown.iter().map(|line| (*line).to_owned()).collect(),
        },
    };
    let file = What::File {
        name: "a.yaml".to_owned(),
        text: "a: 1\n".to_owned(),
    };
    assert_eq!(
        read(text),
        [
            Step { line: 3, what: file },
            command(8, "one \\\n    two", &["out", "", "more"]),
            command(13, "three", &[]),
            Step {
                line: 15,
                what: What::Aws("{}".to_owned())
            },
        ]
    );
}

#[test]
#[should_panic(expected = "line 1: a command stands in no block")]
fn a_command_outside_of_a_block_is_refused() {
    read("$ kubectl get aep");
}

#[test]
#[should_panic(expected = "would go unchecked")]
fn a_block_that_would_not_be_looked_at_is_refused() {
    read("```bash\nkubectl get aep\n```");
}
