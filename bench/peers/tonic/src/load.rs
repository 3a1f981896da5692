//! The load generator over tonic: the flags of //bench:load, of whose kinds of call it has three, and its line of JSON.
//!
//!     tonic-bench-load --target=127.0.0.1:50051 --connections=64 --streams=100 --call=unary --threads=2 --json
//!
//! A channel for each connection, a task for each outstanding call or open stream.

mod flags;
mod meter;
mod tls;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pb::benchmark_service_client::BenchmarkServiceClient;
use pb::{Payload, SimpleRequest};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::Status;

mod pb {
    #![allow(dead_code)]
    tonic::include_proto!("grpc.testing");
}

const MAX_MESSAGE: usize = 64 << 20;

type Client = BenchmarkServiceClient<Channel>;

async fn unary(mut client: Client, request: SimpleRequest) -> Result<(), Status> {
    let mut begin = Instant::now();
    loop {
        client.unary_call(request.clone()).await?;
        let now = Instant::now();
        meter::on_operation();
        meter::on_latency(begin, now);
        begin = now;
    }
}

async fn pingpong(mut client: Client, request: SimpleRequest) -> Result<(), Status> {
    let (send, requests) = tokio::sync::mpsc::channel(1);
    send.try_send(request.clone()).expect("room for one");
    let mut begin = Instant::now();
    let mut responses = client.streaming_call(ReceiverStream::new(requests)).await?.into_inner();
    while responses.message().await?.is_some() {
        let now = Instant::now();
        meter::on_operation();
        meter::on_latency(begin, now);
        begin = now;
        if send.send(request.clone()).await.is_err() {
            break;
        }
    }
    Err(Status::unknown("the server ended the stream"))
}

async fn server_stream(mut client: Client, request: SimpleRequest) -> Result<(), Status> {
    let mut responses = client.streaming_from_server(request).await?.into_inner();
    for i in 0u64.. {
        let begin = (i % meter::TIMED_MESSAGES == 0).then(Instant::now);
        if responses.message().await?.is_none() {
            break;
        }
        meter::on_operation();
        if let Some(begin) = begin {
            meter::on_latency(begin, Instant::now());
        }
    }
    Err(Status::unknown("the server ended the stream"))
}

async fn again_and_again(call: &'static str, client: Client, request: SimpleRequest) {
    loop {
        let ended = match call {
            "unary" => unary(client.clone(), request.clone()).await,
            "pingpong" => pingpong(client.clone(), request.clone()).await,
            _ => server_stream(client.clone(), request.clone()).await,
        };
        if let Err(status) = ended {
            meter::on_error(&status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn connect(target: &str, tls: Option<&ClientTlsConfig>) -> Result<Client, Box<dyn std::error::Error>> {
    let endpoint = match tls {
        Some(tls) => Endpoint::from_shared(format!("https://{target}"))?.tls_config(tls.clone())?,
        None => Endpoint::from_shared(format!("http://{target}"))?,
    };
    let channel = endpoint.connect_timeout(Duration::from_secs(10)).connect().await?;
    let mut client = BenchmarkServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE + 1024);
    tokio::time::timeout(Duration::from_secs(10), client.unary_call(SimpleRequest::default())).await??;
    Ok(client)
}

async fn watch(phase: &str, whole: Duration) {
    let begin = Instant::now();
    let mut before = meter::counts().0;
    while begin.elapsed() < whole {
        let step = (whole - begin.elapsed().min(whole)).min(Duration::from_secs(1));
        tokio::time::sleep(step).await;
        let (now, errors) = meter::counts();
        let rate = (now - before) as f64 / step.as_secs_f64().max(1e-9);
        eprintln!("{phase:<8} {:5.1} of {:.1} s  {rate:10.0} /s  {errors} errors", begin.elapsed().as_secs_f64(), whole.as_secs_f64());
        before = now;
    }
}

async fn run(flags: &flags::Flags) -> i32 {
    let target = flags.text("target");
    let Some(call) = ["unary", "pingpong", "server_stream"].into_iter().find(|call| *call == flags.text("call")) else {
        flags.fail("--call is one of unary, pingpong, server_stream")
    };
    let (connections, streams): (usize, usize) = (flags.get("connections"), flags.get("streams"));
    let (request_bytes, response_bytes): (usize, i32) = (flags.get("request_bytes"), flags.get("response_bytes"));
    let body = vec![0; request_bytes].into();
    let request =
        SimpleRequest { response_size: response_bytes, payload: Some(Payload { body, ..Default::default() }), ..Default::default() };

    let tls = match flags.text("tls_roots") {
        "" => None,
        path => {
            tls::pin_cipher_suite();
            let roots = std::fs::read(path).unwrap_or_else(|error| flags.fail(&format!("cannot read '{path}': {error}")));
            let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots));
            Some(config.domain_name(flags.text("tls_server_name")))
        }
    };
    let mut clients = Vec::new();
    for _ in 0..connections {
        match connect(target, tls.as_ref()).await {
            Ok(client) => clients.push(client),
            Err(error) => {
                eprintln!("load: {target} does not answer: {error}");
                return 1;
            }
        }
    }
    for client in clients {
        for _ in 0..streams {
            tokio::spawn(again_and_again(call, client.clone(), request.clone()));
        }
    }

    let cpu = || (meter::cpu_time_of("self"), meter::cpu_time_of(flags.text("server_pid")));
    watch("warm-up", flags.duration("warmup")).await;
    let ((operations, _), (client_cpu, server_cpu), begin) = (meter::counts(), cpu(), Instant::now());
    meter::MEASURED.store(true, Relaxed);
    watch("measured", flags.duration("duration")).await;
    meter::MEASURED.store(false, Relaxed);
    let ((operations_after, errors), (client_after, server_after), seconds) = (meter::counts(), cpu(), begin.elapsed().as_secs_f64());

    let operations = operations_after - operations;
    let per_operation = |before: Option<Duration>, after: Option<Duration>| match (before, after) {
        (Some(before), Some(after)) if operations > 0 => Some((after - before).as_secs_f64() * 1e6 / operations as f64),
        _ => None,
    };
    let client = per_operation(client_cpu, client_after).unwrap_or(0.0);
    let server = per_operation(server_cpu, server_after);
    let rate = operations as f64 / seconds;
    let [p50, p90, p99, p999] = [50.0, 90.0, 99.0, 99.9].map(meter::percentile_us);
    if flags.get("json") {
        println!(
            "{{\"client\": \"tonic\", \"call\": \"{call}\", \"target\": \"{target}\", \"connections\": {connections}, \"streams\": {streams}, \
             \"threads\": {}, \"request_bytes\": {request_bytes}, \"response_bytes\": {response_bytes}, \"duration_s\": {seconds:.3}, \
             \"operations\": {operations}, \"rate\": {rate:.1}, \"errors\": {errors}, \"p50_us\": {p50:.3}, \"p90_us\": {p90:.3}, \
             \"p99_us\": {p99:.3}, \"p999_us\": {p999:.3}, \"client_us_per_op\": {client:.3}{}}}",
            flags.get::<usize>("threads"),
            server.map_or(String::new(), |us| format!(", \"server_us_per_op\": {us:.3}")),
        );
    } else {
        println!("tonic, {call}: {connections} connections x {streams}, {request_bytes} B requests, {response_bytes} B responses");
        println!("  rate      {rate:.0} /s\n  latency   p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p999:.1} us");
        println!("  CPU       {client:.2} us of the client per operation\n  errors    {errors}");
    }
    i32::from(operations == 0)
}

fn main() {
    let flags = flags::Flags::parse(
        "load",
        &[
            ("target", "127.0.0.1:50051"),
            ("connections", "1"),
            ("streams", "1"),
            ("call", "unary"),
            ("request_bytes", "16"),
            ("response_bytes", "16"),
            ("warmup", "1s"),
            ("duration", "5s"),
            ("threads", "1"),
            ("server_pid", "0"),
            ("tls_roots", ""),
            ("tls_server_name", "localhost"),
            ("json", "false"),
        ],
    );
    let runtime = flags::runtime(flags.get("threads"));
    std::process::exit(runtime.block_on(run(&flags)));
}
