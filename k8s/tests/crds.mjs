// Checks custom resources against the types of their operators, strictly: wrong types and values by the packages' JSON
// schemas, unknown fields by their TypeScript declarations, which the compiler compares with each object as a literal.
//
//     node k8s/tests/crds.mjs objects.json scratch-folder
//
// objects.json: an array of rendered objects. Those of Kubernetes itself are left to kubernetes-validate. Kinds that no
// package describes are named, and not checked: Alibaba Cloud's.
import { execFileSync } from "node:child_process";
import { readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGES = {
  "argoproj.io": "@kubernetes-models/argo-cd",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};
const [objectsFile, scratch] = process.argv.slice(2);
const objects = JSON.parse(readFileSync(objectsFile, "utf8"));
const faults = [];
const unknown = new Set();
const literals = [];

for (const object of objects) {
  const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["", object.apiVersion];
  const name = `${object.kind}/${object.metadata.name}`;
  // Groups of Kubernetes have no dot or end in k8s.io, but for the Gateway API's.
  if (!group.includes(".") || (group.endsWith(".k8s.io") && !(group in PACKAGES))) continue;
  if (!(group in PACKAGES)) {
    unknown.add(object.kind);
    continue;
  }
  const path = `${PACKAGES[group]}/${group}/${version}/${object.kind}`;
  const { [object.kind]: Model } = await import(path);
  try {
    new Model(object).validate();
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
  }
  const index = literals.length;
  literals.push(
    `import { type I${object.kind} as T${index} } from "${path}";\n` +
      `export const object${index}: T${index} = ${JSON.stringify(object, null, 1)};\n`,
  );
}

// The compiler takes a second to begin with.
if (literals.length > 0) {
  mkdirSync(scratch, { recursive: true });
  writeFileSync(join(scratch, "objects.ts"), literals.join("\n"));
  try {
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
    execFileSync("node", [join(scratch, "../node_modules/typescript/bin/tsc"), ...flags, join(scratch, "objects.ts")]);
  } catch (error) {
    faults.push(error.stdout.toString());
  }
}
if (unknown.size > 0) console.log(`not checked, no schema to be had: ${[...unknown].sort().join(", ")}`);
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
if (literals.length > 0) console.log(`${literals.length} custom resources keep their schemas`);
