//! What `hansa` prints when it is ready.

use crate::{Hansa, demo};

/// Prints the addresses, the demo login and a first query to standard output.
///
/// # Errors
/// When the seed data holds no demo order.
#[allow(clippy::print_stdout, reason = "telling people where to go is what this is for")]
pub fn print(hansa: &Hansa) -> anyhow::Result<()> {
    let data = if hansa.data.is_temporary() {
        format!("{} (goes when this ends)", hansa.data.path().display())
    } else {
        hansa.data.path().display().to_string()
    };
    let Hansa {
        address,
        sandbox_address,
        admin_address,
        ..
    } = hansa;
    let email = demo::email();
    let password = demo::PASSWORD;
    let order = demo::order_id()?;
    println!(
        r#"hansa is ready

  GraphiQL         http://{address}/
  GraphQL          http://{address}/graphql
  payment sandbox  http://{sandbox_address}/
  metrics          http://{admin_address}/metrics
  data             {data}

  demo login       {email} / {password}

Try, without a login:

  curl -s http://{address}/graphql -H 'content-type: application/json' \
    -d '{{"query":"{{ products(query: \"lamp\", first: 3) {{ totalCount nodes {{ title rating {{ average }} }} }} }}"}}'

and in GraphiQL, where the demo shopper is signed in: order {order}

Ctrl-C ends it; a second start finds everything as it was."#
    );
    Ok(())
}
