//! `${env.NAME}` in the text of a configuration file.
//!
//! Values are put in before the YAML is read, so that they can be numbers and addresses as well as strings. A value with
//! a line break is refused: it could add keys, and would shift the line numbers of every later message.

/// What cannot be put in, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnvironmentFault {
    /// From 1.
    pub(super) line: u64,
    /// From 1.
    pub(super) column: u64,
    /// For the operator.
    pub(super) message: String,
}

/// `text` with every `${env.NAME}` replaced by what `environment` gives for NAME. Comment lines are left alone.
pub(super) fn substitute(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<String, EnvironmentFault> {
    let mut output = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_start().starts_with('#') {
            output.push_str(line);
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("${env.") {
            let column = line.len() - rest.len() + start + 1;
            let fault = |message| EnvironmentFault {
                line: index as u64 + 1,
                column: column as u64,
                message,
            };
            let (before, marked) = rest.split_at(start);
            let (name, after) = marked["${env.".len()..]
                .split_once('}')
                .ok_or_else(|| fault("`${env.` is not closed by `}`".to_owned()))?;
            output.push_str(before);
            output.push_str(&value_of(name, &environment).map_err(fault)?);
            rest = after;
        }
        output.push_str(rest);
    }
    Ok(output)
}

fn value_of(name: &str, environment: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let value = environment(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
    if value.contains(['\n', '\r']) {
        return Err(format!("the environment variable `{name}` holds a line break"));
    }
    Ok(value)
}
