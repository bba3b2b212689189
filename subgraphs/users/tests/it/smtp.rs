//! Mails through an SMTP server, which may be slow, unwilling or dead.

use crate::shop::{PASSWORD, Shop, eventually, secret_in, user_errors};
use serde_json::json;
use service::testing::{TempSqlite, TestOptions};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use users::UsersConfig;

/// What a server answers to `RCPT TO`.
type Recipients = fn(attempt: usize) -> &'static str;

/// A mail server on loopback that keeps what it takes.
struct MailServer {
    port: u16,
    taken: Arc<Mutex<Vec<String>>>,
    attempts: Arc<Mutex<usize>>,
}

impl MailServer {
    async fn start(recipients: Recipients) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = MailServer {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            attempts: Arc::default(),
        };
        let (taken, attempts) = (Arc::clone(&server.taken), Arc::clone(&server.attempts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let attempt = {
                    let mut attempts = attempts.lock().unwrap();
                    *attempts += 1;
                    *attempts
                };
                // A client that hangs up ends the conversation, and that is all.
                if let Ok(Some(mail)) = converse(stream, recipients(attempt)).await {
                    taken.lock().unwrap().push(mail);
                }
            }
        });
        server
    }

    fn settings(&self) -> impl FnOnce(&mut UsersConfig) + use<> {
        let url = format!("smtp-plain://127.0.0.1:{}", self.port);
        move |config| {
            config.smtp_url = Some(url.parse().unwrap());
            config.mail_from = Some("Hansa <shop@hansa.example>".to_owned());
        }
    }
}

/// One conversation (RFC 5321); the mail, if it was taken.
async fn converse(stream: TcpStream, recipient: &str) -> std::io::Result<Option<String>> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let answer = match line.split([' ', '\r', ':']).next().unwrap_or_default() {
            "EHLO" | "HELO" => "250 mail.example",
            "RCPT" => recipient,
            "DATA" => break,
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    stream.write_all(b"354 go on\r\n").await?;
    let mut mail = String::new();
    while !mail.ends_with("\r\n.\r\n") {
        stream.read_line(&mut mail).await?;
    }
    stream.write_all(b"250 taken\r\n").await?;
    Ok(Some(mail))
}

#[tokio::test]
async fn a_mail_that_is_not_taken_is_sent_again() {
    let server = MailServer::start(|attempt| if attempt == 1 { "451 later" } else { "250 ok" }).await;
    let database = TempSqlite::new();
    let shop = Shop::start_changed(&database.url, TestOptions::default(), server.settings()).await;
    shop.register("mira").await;
    let mail = eventually("a mail", || {
        shop.service.clock.advance(Duration::from_secs(1));
        server.taken.lock().unwrap().first().cloned()
    })
    .await;
    assert!(mail.contains("To: mira@example.com\r\n"), "{mail}");
    assert!(
        mail.contains("From: Hansa <shop@hansa.example>\r\n") || mail.contains("From: \"Hansa\""),
        "{mail}"
    );
    assert!(mail.contains("Subject: Confirm your email address\r\n"), "{mail}");
    let verify = "mutation($token: String!) { userEmailVerify(token: $token) { userErrors { code field } } }";
    // Quoted-printable (RFC 2045): long lines are broken, and `=` is written as its code.
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let data = shop.data(verify, json!({ "token": secret_in(&text) }), None).await;
    assert_eq!(user_errors(&data["userEmailVerify"]), "");
    assert_eq!(*server.attempts.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_mail_that_is_refused_is_given_up_after_a_while() {
    let server = MailServer::start(|_| "550 no such mailbox").await;
    let database = TempSqlite::new();
    let shop = Shop::start_changed(&database.url, TestOptions::default(), server.settings()).await;
    shop.register("mira").await;
    eventually("the last attempt", || {
        shop.service.clock.advance(Duration::from_secs(60));
        (*server.attempts.lock().unwrap() >= 5).then_some(())
    })
    .await;
    // The next mail comes after it, so if the first were still there, it would be tried before.
    shop.service.clock.advance(Duration::from_secs(3600));
    shop.register("nora").await;
    eventually("the next mail", || {
        (*server.attempts.lock().unwrap() >= 6).then_some(())
    })
    .await;
    assert_eq!(*server.attempts.lock().unwrap(), 6);
}

#[tokio::test]
async fn a_dead_server_blocks_no_request_and_a_crash_loses_no_mail() {
    // Takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp-plain://{}", silent.local_addr().unwrap());
    let database = TempSqlite::new();
    let shop = Shop::start_changed(&database.url, TestOptions::default(), |config| {
        config.smtp_url = Some(url.parse().unwrap());
        config.mail_from = Some("shop@hansa.example".to_owned());
    })
    .await;
    shop.register("mira").await;
    let (_connection, _) = silent.accept().await.unwrap();
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(user_errors(&shop.login("mira@example.com", PASSWORD).await), "");
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "less than the server's timeout"
    );

    // The process is gone before the mail was delivered; another one finds it when the lease has ended.
    let next = Shop::start(&database.url).await;
    next.service.clock.advance(Duration::from_secs(61));
    next.mailed_token("mira@example.com", 1).await;
}
