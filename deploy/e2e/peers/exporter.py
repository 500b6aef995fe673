#!/usr/bin/python3
"""What one would write in an afternoon: an exporter of synchronization jobs with
Python's standard library and prometheus_client.

Needs CM_ADDRESS, CM_USERNAME, CM_PASSWORD, and CM_CA_FILE in the environment, and
the port to listen on as its argument.
"""

import gzip
import http.client
import json
import os
import re
import ssl
import sys
import threading
import time
import urllib.parse
from datetime import datetime

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

LISTS = [
    ("google", "key", "cckm/google/synchronization-jobs", "key_rings"),
    ("azure", "certificate", "cckm/azure/certificates/synchronization-jobs", "key_vaults"),
]
STATUSES = ["in_progress", "completed", "failed", "aborted", "unknown"]
FAILURE = re.compile(
    "fail|error|denied|forbidden|unauthorized|unable|cannot|not found|timed out|timeout|invalid", re.IGNORECASE
)
LIMIT = 1000


class Client:
    """A client that keeps its connection and its token."""

    def __init__(self, address, username, password, ca_file):
        self.host = urllib.parse.urlsplit(address).netloc
        self.username, self.password = username, password
        self.connection = http.client.HTTPSConnection(
            self.host, timeout=30, context=ssl.create_default_context(cafile=ca_file)
        )
        self.token, self.expires = "", 0.0

    def request(self, method, path, body=None, headers=None):
        try:
            self.connection.request(method, "/api/v1/" + path, body, headers or {})
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        if response.status != 200:
            raise RuntimeError(f"{path}: status {response.status}")
        if response.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return json.loads(content)

    def login(self):
        if time.time() < self.expires:
            return
        credentials = {"grant_type": "password", "username": self.username, "password": self.password}
        answer = self.request("POST", "auth/tokens/", json.dumps(credentials), {"Content-Type": "application/json"})
        self.token, self.expires = answer["jwt"], time.time() + answer["duration"] * 0.9

    def jobs(self, path):
        self.login()
        headers = {"Authorization": "Bearer " + self.token, "Accept-Encoding": "gzip"}
        skip, total = 0, 1
        while skip < total:
            page = self.request("GET", f"{path}?skip={skip}&limit={LIMIT}", headers=headers)
            total = page["total"]
            if not page["resources"] and skip < total:
                raise RuntimeError(f"{path}: the page at {skip} of {total} is empty")
            yield from page["resources"]
            skip += len(page["resources"])


def epoch(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def job_status(job):
    status = job["overall_status"]
    if status == "completed" and job.get("abort"):
        return "aborted"
    if status == "error":
        return "failed"
    return status if status in STATUSES else "unknown"


def scope_status(text, job, status):
    if text is None:
        return status
    if text.endswith("synchronized successfully"):
        return "aborted" if job.get("abort") and status != "in_progress" else "completed"
    return "failed" if FAILURE.search(text) else status


class Scope:
    def __init__(self):
        self.jobs = dict.fromkeys(STATUSES, 0)
        self.newest, self.status = (0.0, ""), "unknown"
        self.oldest = self.success = self.failure = None

    def add(self, job, status, created, ended):
        self.jobs[status] += 1
        if (created, job["id"]) > self.newest:
            self.newest, self.status = (created, job["id"]), status
        if status == "in_progress":
            self.oldest = min(self.oldest or created, created)
        if ended is not None and status == "completed":
            self.success = max(self.success or ended, ended)
        if ended is not None and status == "failed":
            self.failure = max(self.failure or ended, ended)


def summarize(jobs, cloud, field):
    counts, scopes = dict.fromkeys(STATUSES, 0), {}
    for job in jobs:
        status = job_status(job)
        counts[status] += 1
        created = epoch(job["createdAt"])
        ended = None if status == "in_progress" else epoch(job.get("completed_at") or job["updatedAt"])
        texts = job.get("detailed_status") or {}
        if cloud == "azure":
            texts = {key.partition("/")[2]: text for key, text in texts.items()}
        for name in set(job.get(field) or []) | set(texts):
            scope = scopes.setdefault(name, Scope())
            scope.add(job, scope_status(texts.get(name), job, status), created, ended)
    return counts, scopes


class Collector:
    def __init__(self, client):
        self.client, self.lock = client, threading.Lock()

    def collect(self):
        with self.lock:
            yield from self.families()

    def families(self):
        def gauge(name, text, *labels):
            return GaugeMetricFamily("cckm_sync_" + name, text, labels=["cloud", "item", *labels])

        up = gauge("up", "Whether the list was read.")
        jobs = gauge("jobs", "Jobs by status.", "status")
        scope_jobs = gauge("scope_jobs", "Jobs of the scope by its status.", "scope", "status")
        scope_state = gauge("scope_status", "Status of the scope in its newest job.", "scope", "status")
        last_job = gauge("scope_last_job_timestamp_seconds", "When the newest job was created.", "scope")
        job_age = gauge("scope_job_age_seconds", "Seconds since then.", "scope")
        running = gauge("scope_in_progress_age_seconds", "Age of the oldest job in progress.", "scope")
        success = gauge("scope_last_success_timestamp_seconds", "When the scope last completed.", "scope")
        failure = gauge("scope_last_failure_timestamp_seconds", "When the scope last failed.", "scope")

        for cloud, item, path, field in LISTS:
            try:
                counts, scopes = summarize(self.client.jobs(path), cloud, field)
            except (OSError, http.client.HTTPException, ValueError, KeyError, RuntimeError) as err:
                print(f"{cloud} {item}: {err}", file=sys.stderr)
                up.add_metric([cloud, item], 0)
                continue
            up.add_metric([cloud, item], 1)
            now = time.time()
            for status in STATUSES:
                jobs.add_metric([cloud, item, status], counts[status])
            for name, scope in scopes.items():
                labels = [cloud, item, name]
                for status in STATUSES:
                    scope_jobs.add_metric([*labels, status], scope.jobs[status])
                    scope_state.add_metric([*labels, status], scope.status == status)
                last_job.add_metric(labels, scope.newest[0])
                job_age.add_metric(labels, max(0, now - scope.newest[0]))
                running.add_metric(labels, max(0, now - scope.oldest) if scope.oldest else 0)
                if scope.success is not None:
                    success.add_metric(labels, scope.success)
                if scope.failure is not None:
                    failure.add_metric(labels, scope.failure)
        yield from (up, jobs, scope_jobs, scope_state, last_job, job_age, running, success, failure)


def main():
    client = Client(
        os.environ["CM_ADDRESS"], os.environ["CM_USERNAME"], os.environ["CM_PASSWORD"], os.environ["CM_CA_FILE"]
    )
    # Without auto_describe, which is the default, registering reads nothing.
    registry = CollectorRegistry()
    registry.register(Collector(client))
    start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
