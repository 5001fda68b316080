"""The HTTP edge: the only deployment with a route. It validates requests and sends jobs to the replicas."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from deployments import __version__
from deployments.errors import ScenewrightError
from deployments.heap import freeze
from deployments.queueing.work_queue import WorkQueue

from .api.loras import offered_loras
from .auth.key_store import open_keys
from .auth.middleware import AuthMiddleware, is_public
from .cast.cast_service import CastService
from .config.memory_budgets import bytes_in_flight, largest_body_bytes
from .config.replica_options import ReplicaOptions
from .config.service_config import ServiceConfig
from .graph.admission_control import AdmissionControl
from .graph.ref_cleanup import clean_up
from .graph.replica_registry import HERE
from .graph.scene import Graph, Handle, unanswered
from .http.body_limits import Bodiless, BoundedBodies
from .http.checked_hosts import setting_for
from .http.cors import Cors
from .http.error_responses import ClientGone, Refusal, error_response
from .http.hosts import Hosts
from .http.http_telemetry import HttpMetrics, HttpTracing
from .http.off_loop import shorten_thread_slices
from .http.paths import HeadAsGet, SlashAfterPrefix
from .http.proxy_hook import missing_setting
from .http.request_ids import RequestIds
from .http.request_slots import RequestSlots, fitted
from .http.strict_json import InvalidJson
from .jobs.job_service import JobService
from .openapi.described_api import DescribedApi
from .openapi.fragments import ERRORS
from .pictures.kept_results import ResultService
from .pictures.picture_service import PictureService
from .routes.cast import cast_routes
from .routes.images import image_routes
from .routes.job_submission import JobSubmission
from .routes.jobs import job_routes
from .routes.layers import layer_routes
from .routes.merges import merge_routes
from .routes.page import page_routes
from .routes.pictures import picture_routes
from .routes.results import result_routes
from .routes.scenes import scene_routes
from .routes.service import service_routes
from .routes.sheets import sheet_routes
from .routes.stories import story_routes
from .routes.tokens import token_routes
from .routes.usage import usage_routes
from .safety.text_check import text_check_of
from .state.across_nodes import check_here
from .state.node_local import Marks
from .state.open_state import open_state
from .telemetry.logs import logger
from .telemetry.tracing import send_traces
from .usage.recorder import UsageRecorder

UPLOADS_BYTES = 64 << 20
"""The bytes of uploaded files that one replica of the merger may hold while they wait there."""


class Ingress:
    """The edge's deployment. Its ASGI application is built in the replica, where the handles are usable.

    It never calls `worker`: binding it makes Serve deploy it. The two communicate through the database.
    """

    def __init__(
        self,
        config: ServiceConfig,
        character: Handle,
        background: Handle,
        merger: Handle,
        worker: Handle,
        home: Marks | None = None,
        others: Mapping[str, Handle] | None = None,
    ) -> None:
        check_here(config, home)
        send_traces(config.tracing)
        if missing := missing_setting(os.environ):
            logger.warning(
                "callers' headers and connections are not limited here: set %s before Ray starts, on every"
                " node (docs/security.md)",
                missing,
            )
        for name, names in setting_for(config.allowed_hosts, config.requires_keys).items():
            if name not in os.environ:
                logger.warning(
                    "/-/healthz and /-/routes accept any Host here: set %s=%s before Ray starts, on every"
                    " node (docs/security.md)",
                    name,
                    names,
                )
        for model in config.generators.values():
            offered_loras(model)  # Read their files now, not while requests wait.
        self._config = fitted(config)
        places = {name: model.replicas.max_queued_requests for name, model in config.generators.items()}
        admission, merges = AdmissionControl(HERE.get, places), merges_under_way(config)
        self._graph = Graph(
            character,
            background,
            merger,
            admission,
            merges,
            HERE.get,
            others or {},
            text_check=text_check_of(config.safety),
            previews=config.safety.mode != "refuse",
        )

    def __serve_build_asgi_app__(self) -> ASGIApp:
        shorten_thread_slices()
        api = build_api(self._config, self._graph)
        api.openapi()  # Generate and cache it now: that takes too long to do while serving requests.
        app = HttpTracing(HttpMetrics(guard(api, self._config)))
        freeze()
        return app

    async def check_health(self) -> None:
        clean_up()


def merges_under_way(config: ServiceConfig) -> WorkQueue:
    """Bound what one ingress replica has at the merger's replicas, so that a new tenant still finds a place.

    The bound is three quarters of what they accept, divided by the number of ingress replicas.
    """
    merger, ingress = config.merger, config.ingress
    accepted = merger.max_ongoing_requests * replicas_of(merger)
    slots = max(2, 3 * accepted // (4 * replicas_of(ingress)))
    return WorkQueue(slots, UPLOADS_BYTES * replicas_of(merger), merger.max_queued_requests)


def replicas_of(options: ReplicaOptions) -> int:
    """Return the minimum number of replicas, which is at least one."""
    return max(1, options.least_replicas)


def build_http(config: ServiceConfig, graph: Graph) -> ASGIApp:
    """Build every route, over any graph of handles, behind the middlewares of `guard`."""
    return guard(build_api(config, graph), config)


def guard(api: ASGIApp, config: ServiceConfig) -> ASGIApp:
    """Wrap the routes in the middlewares: request ids, hosts, keys, slots and body limits."""
    bounded = BoundedBodies(HeadAsGet(api), bytes_in_flight(config), largest_body_bytes(config))
    bodiless = Bodiless(bounded, config.limits.body_timeout_s)
    routes: ASGIApp = RequestSlots(bodiless, config.ingress.max_ongoing_requests, is_public)
    if config.requires_keys:
        routes = AuthMiddleware(routes, lambda: open_keys(config.state_folder, config.jobs))
    routes, origins = SlashAfterPrefix(routes), config.allowed_origins
    if origins:
        routes = Cors(routes, origins)
    return RequestIds(Hosts(routes, config.allowed_hosts, config.requires_keys, origins))


def build_api(config: ServiceConfig, graph: Graph) -> FastAPI:
    """Build the routes without the middlewares."""
    usage = UsageRecorder(lambda: open_state(config.state_folder, config.jobs), lambda: unanswered(graph))

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        await usage.write()  # Save the usage of the last second's requests.

    app = DescribedApi(
        config,
        title="Scenewright",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
        # FastAPI's own spans would hold raw paths and queries, and so the caller's text. Ours do not.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=living,
    )
    for kind in (ScenewrightError, Refusal, InvalidJson, HTTPException, ClientGone, Exception):
        app.add_exception_handler(kind, error_response)

    pictures, cast, results = PictureService(config), CastService(config), ResultService(config)
    jobs = JobService(config)
    submission = JobSubmission(jobs, config, graph, pictures)
    app.state.usage = usage
    for router in (
        scene_routes(config, graph, pictures, cast, results, submission),
        layer_routes(config, graph, pictures, cast, results, submission),
        merge_routes(config, graph, results),
        image_routes(config, graph, pictures, cast, results, submission),
        job_routes(config, jobs, submission, cast),
        story_routes(config, graph, pictures, cast),
        picture_routes(config, graph, pictures),
        cast_routes(config, graph, pictures, cast),
        sheet_routes(config, graph, pictures, cast),
        result_routes(results),
        token_routes(config),
        usage_routes(config, usage),
        service_routes(config, graph),
        page_routes(config, graph),
    ):
        app.include_router(router)
    return app
