"""Show what each cluster would get: a diff against live, made by the cluster's own dry-run.

Reads and dry-runs under the project's name, so a refusal shows here as it would at the rollout.
Clusters that can't be asked are marked; they never blank the page. Clusters with the same answer
are shown once.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from django.db import connections
from django.utils.translation import gettext_lazy as _

from clusters import kube
from clusters.domain.objects import KubeObject
from clusters.models import Cluster
from deployments.actions.planning import plan_revision
from deployments.blobs import entries_of
from deployments.domain.content import ContentObject, ref_of_entry
from deployments.domain.diffs import diff_objects
from deployments.domain.ownership import (
    Owner,
    Standing,
    stamp,
    standing_of,
    with_replicas,
)
from deployments.domain.placement import Decision
from deployments.domain.planner import Rendered
from deployments.domain.sentences import Sentence
from deployments.facts import is_reachable
from deployments.models import Application, Revision, Target
from deployments.texts import refusals
from fleet_portal.common.statuses import Status, Statuses
from fleet_portal.common.text import N_

THREADS = 6
DEADLINE_SECONDS = 20.0
MAX_CLUSTERS = 40

CREATE, CHANGE, SAME, REMOVE, REFUSED, UNKNOWN = (
    "create", "change", "same", "remove", "refused", "unknown",
)  # fmt: skip
EFFECTS = Statuses(
    Status(CREATE, N_("will be created"), "info", "arrow"),
    Status(CHANGE, N_("will be changed"), "warn", "triangle"),
    Status(SAME, N_("stays as it is"), "ok", "check"),
    Status(REMOVE, N_("will be removed"), "bad", "dash"),
    Status(REFUSED, N_("would be refused"), "bad", "cross"),
    Status(UNKNOWN, N_("can't be tried"), "away", "ring"),
)


@dataclass(frozen=True)
class ObjectPreview:
    """One object in one cluster. `message`: why it is refused or unknown, as the cluster said."""

    kind: str
    namespace: str
    name: str
    effect: str
    diff: str = ""
    message: str = ""

    @property
    def status(self) -> Status:
        return EFFECTS[self.effect]


@dataclass(frozen=True)
class PreviewGroup:
    """Clusters for which everything is the same. `why_not`: why they could not be asked."""

    clusters: tuple[str, ...]
    overrides: tuple[str, ...]
    objects: tuple[ObjectPreview, ...]
    why_not: str = ""

    @property
    def is_asked(self) -> bool:
        return not self.why_not


@dataclass(frozen=True)
class Preview:
    revision: Revision
    decisions: list[Decision]
    groups: list[PreviewGroup]
    notes: list[Sentence]


@dataclass(frozen=True)
class _Question:
    """What one thread asks one cluster, read from the rows beforehand."""

    cluster: Cluster
    project: str
    application: str
    revision: int
    rendered: Rendered
    removed: tuple[ObjectPreview, ...]


def preview_revision(application: Application, revision: Revision) -> Preview:
    """Return the preview of a revision; raises ActionRefused when it can't be planned."""
    with refusals():
        plan = plan_revision(application, revision)
    clusters = Cluster.objects.in_bulk(list(plan.targets))
    removed = _removed_objects(application, plan.targets)
    answers: dict[tuple[object, ...], list[str]] = {}
    groups: dict[tuple[object, ...], PreviewGroup] = {}
    questions = [
        _Question(
            clusters[cluster_id],
            application.project.slug,
            application.name,
            revision.number,
            rendered,
            removed.get(cluster_id, ()),
        )
        for cluster_id, rendered in plan.targets.items()
    ]
    for question, (objects, why_not) in _ask_all(questions):
        key = (question.rendered.overrides, objects, why_not)
        answers.setdefault(key, []).append(question.cluster.name)
        groups[key] = PreviewGroup(
            tuple(answers[key]), question.rendered.overrides, objects, why_not
        )
    return Preview(revision, plan.decisions, list(groups.values()), plan.notes)


Answer = tuple[tuple[ObjectPreview, ...], str]


def _ask_all(questions: list[_Question]) -> Iterable[tuple[_Question, Answer]]:
    asked = [question for question in questions if is_reachable(question.cluster)]
    asked = asked[:MAX_CLUSTERS]
    pool = ThreadPoolExecutor(THREADS, "preview")
    futures = {question.cluster.pk: pool.submit(_ask, question) for question in asked}
    wait(futures.values(), DEADLINE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    for question in questions:
        future = futures.get(question.cluster.pk)
        if not is_reachable(question.cluster):
            yield question, ((), str(_("The cluster is away: it gets this when it is back.")))
        elif future is None:
            yield question, ((), str(_("Not asked: a preview asks 40 clusters at most.")))
        elif not future.done():
            yield question, ((), str(_("The cluster did not answer in time.")))
        else:
            yield question, future.result()


def _ask(question: _Question) -> Answer:
    try:
        counts = question.rendered.replicas
        objects = [
            _try_object(question, item, counts.get(str(item.ref.id)))
            for item in question.rendered.objects
        ]
        return (*objects, *question.removed), ""
    except kube.ClusterUnreachable as error:
        return (), str(error)
    finally:
        connections.close_all()


def _try_object(question: _Question, item: ContentObject, replicas: int | None) -> ObjectPreview:
    identity = item.ref.id
    names = (identity.kind, identity.namespace, identity.name)
    who = f"project:{question.project}"
    owner = Owner(question.project, question.application)
    obj: KubeObject = stamp(item.obj, owner, question.revision)
    try:
        live = _live(question.cluster, who, item)
        standing = standing_of(live, owner)
        if standing in (Standing.FOREIGN, Standing.OTHER_APPLICATION):
            return ObjectPreview(*names, REFUSED, message=str(_NOT_OURS))
        if live is None and replicas is not None:
            obj = with_replicas(obj, replicas)
        new = kube.dry_run_apply(question.cluster, who, obj)
    except kube.ClusterUnreachable:
        raise
    except kube.KubeError as error:
        return _refused(names, str(error))
    if replicas is not None:
        # Another manager owns the count, so the dry run of the spec leaves it as it is.
        new = with_replicas(new, replicas)
    diff = diff_objects(live, new)
    effect = CREATE if live is None else (CHANGE if diff else SAME)
    return ObjectPreview(*names, effect, diff)


_NOT_OURS = _(
    "It is there already and belongs to somebody else: the agent leaves it alone. Rename it, or put"
    " the application's labels on the one that is there."
)


def _live(cluster: Cluster, who: str, item: ContentObject) -> KubeObject | None:
    identity = item.ref.id
    try:
        return kube.get(
            cluster, who, item.ref.api_version, identity.kind, identity.namespace, identity.name
        )
    except kube.KubeNotFound:
        return None


def _refused(names: tuple[str, str, str], message: str) -> ObjectPreview:
    """Tell a refusal from what can't be tried yet: the namespace comes with the first apply."""
    if f'namespaces "{names[1]}" not found' in message:
        text = _("Its namespace %(namespace)s does not exist yet, so it can't be tried.")
        return ObjectPreview(*names, UNKNOWN, message=str(text % {"namespace": names[1]}))
    return ObjectPreview(*names, REFUSED, message=message)


def _removed_objects(
    application: Application, wanted: dict[int, Rendered]
) -> dict[int, tuple[ObjectPreview, ...]]:
    """Return cluster id -> objects that are wanted there now and not by the new revision."""
    targets = list(Target.objects.filter(application=application, removing=False))
    entries = entries_of(target.desired_digest for target in targets)
    removed: dict[int, tuple[ObjectPreview, ...]] = {}
    for target in targets:
        rendered = wanted.get(target.cluster_id)
        if rendered is None:
            continue
        kept = {item.ref.id for item in rendered.objects}
        removed[target.cluster_id] = tuple(
            ObjectPreview(entry["kind"], entry["namespace"], entry["name"], REMOVE)
            for entry in entries.get(target.desired_digest, [])
            if ref_of_entry(entry).id not in kept
        )
    return removed
