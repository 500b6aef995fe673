ARG GO_VERSION=1.26.8

# Compiles on the platform that builds, for the platform that was asked for.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src

# A layer of its own: the modules are fetched again only when go.mod or go.sum change.
COPY go.mod go.sum ./
RUN go mod download

COPY cmd ./cmd
COPY collector ./collector
COPY deploy ./deploy

# What --version and cckm_sync_exporter_build_info say. The caller gives them, so
# that the same arguments make the same binary.
ARG VERSION=dev
ARG REVISION=""
ARG BUILD_DATE=""
ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
RUN if [ "$TARGETARCH" = arm ]; then export GOARM="${TARGETVARIANT#v}"; fi && \
    GOOS="$TARGETOS" GOARCH="$TARGETARCH" deploy/release/build.sh /out/cckm_sync_exporter && \
    GOOS="$TARGETOS" GOARCH="$TARGETARCH" deploy/release/notices.sh >/out/THIRD_PARTY_NOTICES.txt

FROM scratch
ARG VERSION=dev
ARG REVISION=""
ARG BUILD_DATE=""
LABEL org.opencontainers.image.title="cckm_sync_exporter" \
      org.opencontainers.image.description="Prometheus exporter for the synchronization jobs of CipherTrust Cloud Key Management" \
      org.opencontainers.image.authors="The cckm_sync_exporter authors" \
      org.opencontainers.image.vendor="The cckm_sync_exporter authors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${BUILD_DATE}"

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/cckm_sync_exporter /bin/cckm_sync_exporter
COPY --from=build /out/THIRD_PARTY_NOTICES.txt /THIRD_PARTY_NOTICES.txt
COPY LICENSE /LICENSE

# Numeric, so that a cluster can prove that it is not root.
USER 65534:65534
EXPOSE 10458
ENTRYPOINT ["/bin/cckm_sync_exporter"]
