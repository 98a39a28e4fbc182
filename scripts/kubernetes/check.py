"""Checks the manifests of this folder: by the schemas of Kubernetes, and that what is said in two places is the same.

    python scripts/kubernetes/check.py 1.34 10001:10001

The arguments are a version of Kubernetes and the image's user. It needs kubernetes-validate. The schema of MPIJob is below: the fields of
kubeflow.org/v2beta1 in MPI operator 0.6, but for its templates of pods, which are held to the schema of Pod.
"""

import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parent
COUNT = {"type": "integer", "minimum": 0}


def fields(required, **properties):
    """The schema of an object that has no other fields than these."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


REPLICAS = fields(["template"], replicas=COUNT, template={"type": "object"},
                  restartPolicy={"enum": ["Always", "OnFailure", "Never", "ExitCode"]})
MPI_JOB = fields(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "kubeflow.org/v2beta1"},
    kind={"const": "MPIJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=fields(
        ["mpiReplicaSpecs"],
        slotsPerWorker=COUNT,
        runLauncherAsWorker={"type": "boolean"},
        sshAuthMountPath={"type": "string"},
        mpiImplementation={"enum": ["OpenMPI", "Intel", "MPICH"]},
        launcherCreationPolicy={"enum": ["AtStartup", "WaitForWorkersReady"]},
        runPolicy=fields([], cleanPodPolicy={"enum": ["All", "Running", "None"]}, ttlSecondsAfterFinished=COUNT, activeDeadlineSeconds=COUNT,
                         backoffLimit=COUNT, suspend={"type": "boolean"}, schedulingPolicy={"type": "object"}),
        mpiReplicaSpecs=fields(["Launcher", "Worker"], Launcher=REPLICAS, Worker=REPLICAS),
    ))


def expect(holds, what):
    if not holds:
        sys.exit(f"check.py: {what}")


def read(name, version):
    """The resources of a manifest by their kinds, each of which its schema allows."""
    resources = list(yaml.safe_load_all((FOLDER / name).read_text()))
    for resource in resources:
        try:
            if resource["kind"] == "MPIJob":
                jsonschema.validate(resource, MPI_JOB)
                for replicas in resource["spec"]["mpiReplicaSpecs"].values():
                    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **replicas["template"]}
                    kubernetes_validate.validate(pod, version, strict=True)
            else:
                kubernetes_validate.validate(resource, version, strict=True)
        except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
            sys.exit(f"check.py: {name}: {resource['kind']}: {'.'.join(map(str, error.path))}: {error.message}")
    return {resource["kind"]: resource for resource in resources}


def fits_image(name, resources, user):
    """A Job runs as the image's user, and has its volume where the image has it."""
    pod = resources["Job"]["spec"]["template"]["spec"]
    security, claim = pod["securityContext"], pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    expect(f"{security['runAsUser']}:{security['runAsGroup']}" == user, f"{name}: the user is not the image's, {user}")
    expect(pod["containers"][0]["volumeMounts"] == [{"name": "runs", "mountPath": "/runs"}], f"{name}: the volume is not at /runs")
    expect(claim == resources["PersistentVolumeClaim"]["metadata"]["name"], f"{name}: {claim} is not claimed there")


def check_indexed(name, resources):
    job, service = resources["Job"], resources["Service"]
    spec, template, host = job["spec"], job["spec"]["template"], service["metadata"]["name"]
    variables = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
    expect(set(variables) == {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}, f"{name}: not the variables of torchrun")
    expect(spec["completionMode"] == "Indexed", f"{name}: the Job is not Indexed: its pods have no rank")
    expect(variables["WORLD_SIZE"] == str(spec["completions"]) == str(spec["parallelism"]),
           f"{name}: WORLD_SIZE, completions and parallelism differ")
    expect(template["spec"]["subdomain"] == host and service["spec"]["clusterIP"] == "None", f"{name}: the pods have no names")
    expect(variables["MASTER_ADDR"] == f"{job['metadata']['name']}-0.{host}", f"{name}: MASTER_ADDR is not the name of pod 0")
    expect(service["spec"]["selector"].items() <= template["metadata"]["labels"].items(), f"{name}: the Service does not select the pods")


def check_mpi(name, resources):
    spec = resources["MPIJob"]["spec"]
    launcher, worker = (spec["mpiReplicaSpecs"][role] for role in ("Launcher", "Worker"))
    container = launcher["template"]["spec"]["containers"][0]
    arguments = container["args"]
    expect(int(arguments[arguments.index("-n") + 1]) == worker["replicas"] * spec["slotsPerWorker"],
           f"{name}: mpirun -n is not replicas times slotsPerWorker")
    expect(container["image"] == worker["template"]["spec"]["containers"][0]["image"], f"{name}: launcher and workers are of different images")


def main():
    version, user = sys.argv[1:]
    for name, check in ("train-job.yaml", None), ("train-indexed-job.yaml", check_indexed), ("train-mpi-job.yaml", check_mpi):
        resources = read(name, version)
        if "Job" in resources:
            fits_image(name, resources, user)
        if check:
            check(name, resources)


main()
