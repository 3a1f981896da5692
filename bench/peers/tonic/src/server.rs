//! grpc.testing.BenchmarkService over tonic; the same flags as //bench:server.
//!
//!     tonic-bench-server --listen=127.0.0.1:0 --threads=2
//!     READY 127.0.0.1:41234

mod flags;
mod tls;

use std::pin::Pin;

use pb::benchmark_service_server::{BenchmarkService, BenchmarkServiceServer};
use pb::{Payload, SimpleRequest, SimpleResponse};
use tokio::signal::unix::{signal, SignalKind};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

mod pb {
    #![allow(dead_code)]
    tonic::include_proto!("grpc.testing");
}

const MAX_MESSAGE: usize = 64 << 20;

type Responses = Pin<Box<dyn Stream<Item = Result<SimpleResponse, Status>> + Send>>;

fn answer(request: &SimpleRequest) -> Result<SimpleResponse, Status> {
    let size = usize::try_from(request.response_size).unwrap_or(usize::MAX);
    if size > MAX_MESSAGE {
        return Err(Status::invalid_argument(format!("response_size is not in 0 to {MAX_MESSAGE}")));
    }
    Ok(SimpleResponse { payload: Some(Payload { body: vec![0; size].into(), ..Default::default() }), ..Default::default() })
}

struct Service;

#[tonic::async_trait]
impl BenchmarkService for Service {
    type StreamingCallStream = Responses;
    type StreamingFromServerStream = Responses;
    type StreamingBothWaysStream = Responses;

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        answer(request.get_ref()).map(Response::new)
    }

    async fn streaming_call(&self, requests: Request<Streaming<SimpleRequest>>) -> Result<Response<Responses>, Status> {
        Ok(Response::new(Box::pin(requests.into_inner().map(|request| answer(&request?)))))
    }

    async fn streaming_from_server(&self, request: Request<SimpleRequest>) -> Result<Response<Responses>, Status> {
        let response = answer(request.get_ref())?;
        Ok(Response::new(Box::pin(tokio_stream::iter(std::iter::repeat_with(move || Ok(response.clone()))))))
    }

    async fn streaming_from_client(&self, _: Request<Streaming<SimpleRequest>>) -> Result<Response<SimpleResponse>, Status> {
        Err(Status::unimplemented("not part of this benchmark"))
    }

    async fn streaming_both_ways(&self, _: Request<Streaming<SimpleRequest>>) -> Result<Response<Responses>, Status> {
        Err(Status::unimplemented("not part of this benchmark"))
    }
}

async fn serve(flags: &flags::Flags) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = tonic::transport::Server::builder();
    if !flags.text("tls_certificate").is_empty() {
        tls::pin_cipher_suite();
        let identity = Identity::from_pem(std::fs::read(flags.text("tls_certificate"))?, std::fs::read(flags.text("tls_key"))?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    if flags.get::<u32>("max_concurrent_streams") > 0 {
        server = server.max_concurrent_streams(flags.get::<u32>("max_concurrent_streams"));
    }
    let listener = tokio::net::TcpListener::bind(flags.text("listen")).await?;
    let address = listener.local_addr()?;
    let mut stop = signal(SignalKind::terminate())?;
    println!("READY {address}");
    let service = BenchmarkServiceServer::new(Service).max_decoding_message_size(MAX_MESSAGE + 1024);
    let server = server.add_service(service);
    // A graceful end would wait for streams that stay open.
    tokio::select! {
        served = server.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))) => Ok(served?),
        _ = stop.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

fn main() {
    let flags = flags::Flags::parse(
        "server",
        &[("listen", "127.0.0.1:50051"), ("threads", "0"), ("max_concurrent_streams", "0"), ("tls_certificate", ""), ("tls_key", "")],
    );
    let runtime = flags::runtime(flags.get("threads"));
    if let Err(error) = runtime.block_on(serve(&flags)) {
        eprintln!("server: cannot serve on {}: {error}", flags.text("listen"));
        std::process::exit(1);
    }
    std::process::exit(0);
}
