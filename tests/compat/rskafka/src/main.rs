//! rskafka as a client program; the commands are those of README.md. It has no groups: `group` reads every partition.
use std::collections::BTreeMap;
use std::env;
use std::io::{stdin, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use rskafka::client::error::{Error as KafkaError, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rustls::pki_types::{pem::PemObject, CertificateDer};

/// Records of a stream that are on their way at a time.
const ROUND: usize = 20;

static STOPPED: AtomicBool = AtomicBool::new(false);

type Outcome = Result<String, Box<dyn std::error::Error>>;

fn setting(name: &str) -> String {
    env::var(format!("COMPAT_{name}")).unwrap_or_default()
}

fn say(line: String) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output");
}

fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

fn listen_for_stop() {
    std::thread::spawn(|| {
        let _ = stdin().read(&mut [0; 8]);
        STOPPED.store(true, Ordering::Relaxed);
    });
}

async fn client() -> Result<Client, Box<dyn std::error::Error>> {
    let sasl = SaslConfig::ScramSha512(Credentials::new(setting("USER"), setting("PASSWORD")));
    let mut builder = ClientBuilder::new(vec![setting("BOOTSTRAP")]).sasl_config(sasl);
    if !setting("CA").is_empty() {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(setting("CA"))? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        builder = builder.tls_config(Arc::new(tls));
    }
    Ok(builder.build().await?)
}

async fn partitions(c: &Client, topic: &str, count: i32) -> Result<Vec<PartitionClient>, Box<dyn std::error::Error>> {
    let mut all = vec![];
    for p in 0..count {
        all.push(c.partition_client(topic, p, UnknownTopicHandling::Retry).await?);
    }
    Ok(all)
}

async fn partitions_of(c: &Client, topic: &str) -> Result<usize, Box<dyn std::error::Error>> {
    Ok(c.list_topics().await?.iter().find(|t| t.name == topic).map_or(0, |t| t.partitions.len()))
}

async fn topics(a: &[String]) -> Outcome {
    let c = client().await?;
    let controller = c.controller_client()?;
    let count: i32 = a[1].parse()?;
    controller.create_topic(a[0].as_str(), count, 1, 20_000).await?;
    if partitions_of(&c, &a[0]).await? != count as usize {
        return Err("the number of partitions".into());
    }
    controller.delete_topic(a[0].as_str(), 20_000).await?;
    if partitions_of(&c, &a[0]).await? != 0 {
        return Err("the topic is still listed".into());
    }
    Ok(String::new())
}

/// The records of a range that belong to one partition, of now.
fn records(first: usize, count: usize, partition: usize, partitions: usize) -> Vec<Record> {
    let text = |n: usize| Some(n.to_string().into_bytes());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_millis() as i64;
    let timestamp = DateTime::from_timestamp_millis(now).expect("a time");
    (first..first + count)
        .filter(|n| n % partitions == partition)
        .map(|n| Record { key: text(n), value: text(n), headers: BTreeMap::new(), timestamp })
        .collect()
}

async fn send(a: &[String]) -> Outcome {
    let c = client().await?;
    let compression = match a[4].as_str() {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    };
    let all = partitions(&c, &a[0], a[1].parse()?).await?;
    for (p, to) in all.iter().enumerate() {
        to.produce(records(a[2].parse()?, a[3].parse()?, p, all.len()), compression).await?;
    }
    Ok(String::new())
}

/// Rounds of a few records, numbered on; what was refused is sent again, as an application does.
async fn stream(a: &[String]) -> Outcome {
    listen_for_stop();
    let c = client().await?;
    let all = partitions(&c, &a[0], a[1].parse()?).await?;
    let mut sent = 0;
    while !stopped() {
        for (p, to) in all.iter().enumerate() {
            while let Err(e) = to.produce(records(sent, ROUND, p, all.len()), Compression::NoCompression).await {
                eprintln!("{e}");
            }
        }
        sent += ROUND;
        say(format!("acked {sent}"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(sent.to_string())
}

async fn group(a: &[String]) -> Outcome {
    listen_for_stop();
    let c = client().await?;
    let count = partitions_of(&c, &a[0]).await?;
    let all = partitions(&c, &a[0], count as i32).await?;
    let mut next = vec![0; count];
    say(format!("assigned {}", (0..count).map(|p| p.to_string()).collect::<Vec<_>>().join(",")));
    while !stopped() {
        for (p, from) in all.iter().enumerate() {
            match from.fetch_records(next[p], 1..1_000_000, 50).await {
                Ok((found, _)) => {
                    for r in found {
                        let value = String::from_utf8(r.record.value.unwrap_or_default())?;
                        say(format!("record {p} {} {value}", r.offset));
                        next[p] = r.offset + 1;
                    }
                }
                Err(KafkaError::ServerError { protocol_error: ProtocolError::OffsetOutOfRange, .. }) => {
                    next[p] = from.get_offset(OffsetAt::Earliest).await?;
                }
                Err(e) => eprintln!("{e}"),
            }
        }
    }
    Ok(String::new())
}

async fn delete_records(a: &[String]) -> Outcome {
    let c = client().await?;
    partitions(&c, &a[0], 1).await?[0].delete_records(a[1].parse()?, 20_000).await?;
    Ok(String::new())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let a: Vec<String> = env::args().skip(1).collect();
    let outcome = match a[0].as_str() {
        "topics" => topics(&a[1..]).await,
        "send" => send(&a[1..]).await,
        "stream" => stream(&a[1..]).await,
        "group" => group(&a[1..]).await,
        "delete-records" => delete_records(&a[1..]).await,
        other => Err(format!("unknown command {other}").into()),
    };
    match outcome {
        Ok(words) => say(format!("ok {words}")),
        Err(e) => {
            say(format!("error {}", e.to_string().replace('\n', " ")));
            std::process::exit(1);
        }
    }
}
