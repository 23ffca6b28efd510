import type { KubeObject } from './api.ts';

/** The objects that tests apply; each with one container `web` unless `containers` say otherwise. */
interface TemplateOptions {
  readonly image: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
}

function template(name: string, { image, annotations = {}, spec = {} }: TemplateOptions): object {
  return {
    metadata: { labels: { app: name }, annotations },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image }], ...spec },
  };
}

export function barePod(namespace: string, name: string, options: TemplateOptions): KubeObject {
  const { metadata, spec } = template(name, options) as { metadata: object; spec: object };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name, namespace }, spec };
}

export function deployment(
  namespace: string,
  name: string,
  options: TemplateOptions & { readonly replicas?: number },
): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { app: name } },
      strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
      template: template(name, options),
    },
  };
}

export function statefulSet(
  namespace: string,
  name: string,
  options: TemplateOptions & { readonly replicas?: number },
): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace },
    spec: {
      replicas: options.replicas ?? 2,
      serviceName: name,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: name } },
      template: template(name, options),
    },
  };
}

export function daemonSet(namespace: string, name: string, options: TemplateOptions): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      updateStrategy: { rollingUpdate: { maxUnavailable: '100%' } },
      template: template(name, options),
    },
  };
}

export function job(namespace: string, name: string, options: TemplateOptions): KubeObject {
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace }, spec: jobSpec(name, options) };
}

export function cronJob(namespace: string, name: string, options: TemplateOptions): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace },
    spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: jobSpec(name, options) } },
  };
}

function jobSpec(name: string, options: TemplateOptions): object {
  return {
    template: template(name, { ...options, spec: { restartPolicy: 'Never', ...options.spec } }),
  };
}

/** The images of a Pod's containers, in order. */
export function imagesOf({ spec }: KubeObject): string[] {
  return (spec.containers as { image: string }[]).map(({ image }) => image);
}
