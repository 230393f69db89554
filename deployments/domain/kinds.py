"""The kinds Kubernetes itself knows: which live in a namespace, and which don't. Pure.

Kinds of other groups (CRDs) are the cluster's matter: a dry-run tells. Source: the API
reference of Kubernetes 1.36, https://kubernetes.io/docs/reference/kubernetes-api/.
"""

import difflib

# apiVersion -> kinds that live in a namespace.
NAMESPACED: dict[str, frozenset[str]] = {
    "v1": frozenset(
        [
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ]
    ),
    "apps/v1": frozenset(
        ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]
    ),
    "batch/v1": frozenset(["CronJob", "Job"]),
    "autoscaling/v1": frozenset(["HorizontalPodAutoscaler"]),
    "autoscaling/v2": frozenset(["HorizontalPodAutoscaler"]),
    "policy/v1": frozenset(["PodDisruptionBudget"]),
    "networking.k8s.io/v1": frozenset(["Ingress", "NetworkPolicy"]),
    "discovery.k8s.io/v1": frozenset(["EndpointSlice"]),
    "coordination.k8s.io/v1": frozenset(["Lease"]),
    "rbac.authorization.k8s.io/v1": frozenset(["Role", "RoleBinding"]),
    "events.k8s.io/v1": frozenset(["Event"]),
    "storage.k8s.io/v1": frozenset(["CSIStorageCapacity"]),
}

# group -> kinds that belong to the whole cluster, in any version.
CLUSTER_SCOPED: dict[str, frozenset[str]] = {
    "": frozenset(["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    "admissionregistration.k8s.io": frozenset(
        [
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ]
    ),
    "apiextensions.k8s.io": frozenset(["CustomResourceDefinition"]),
    "apiregistration.k8s.io": frozenset(["APIService"]),
    "authentication.k8s.io": frozenset(["SelfSubjectReview", "TokenReview"]),
    "authorization.k8s.io": frozenset(
        ["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"]
    ),
    "certificates.k8s.io": frozenset(["CertificateSigningRequest", "ClusterTrustBundle"]),
    "flowcontrol.apiserver.k8s.io": frozenset(["FlowSchema", "PriorityLevelConfiguration"]),
    "networking.k8s.io": frozenset(["IngressClass", "IPAddress", "ServiceCIDR"]),
    "node.k8s.io": frozenset(["RuntimeClass"]),
    "rbac.authorization.k8s.io": frozenset(["ClusterRole", "ClusterRoleBinding"]),
    "resource.k8s.io": frozenset(["DeviceClass", "ResourceSlice"]),
    "scheduling.k8s.io": frozenset(["PriorityClass"]),
    "storage.k8s.io": frozenset(
        ["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]
    ),
}

_GROUPS = {version.rpartition("/")[0] for version in NAMESPACED}
_ALL_KINDS = sorted({kind for kinds in NAMESPACED.values() for kind in kinds})


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Say whether Kubernetes' own `kind` of `group` belongs to no namespace."""
    return kind in CLUSTER_SCOPED.get(group, frozenset())


def is_known(api_version: str, kind: str) -> bool:
    """Say whether the kind may exist: always true for groups that are not Kubernetes' own."""
    group = api_version.rpartition("/")[0]
    if group not in _GROUPS:
        return True
    return kind in NAMESPACED.get(api_version, frozenset())


def suggestion(api_version: str, kind: str) -> str:
    """Return `apiVersion Kind` that was probably meant, or "" when nothing is near."""
    near = difflib.get_close_matches(kind, _ALL_KINDS, n=1, cutoff=0.75)
    if not near:
        return ""
    versions = [version for version, kinds in NAMESPACED.items() if near[0] in kinds]
    version = api_version if api_version in versions else versions[-1]
    return f"{version} {near[0]}"
