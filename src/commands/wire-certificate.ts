import { AdmissionregistrationV1Api, CoreV1Api } from '@kubernetes/client-node';
import { ManagedCertificate } from '../certificates/managed-certificate.ts';
import type { Settings } from '../config/settings.ts';
import { CertificateSecret } from '../kubernetes/certificate-secret.ts';
import type { ClusterConnection } from '../kubernetes/cluster-connection.ts';
import { ownNamespace } from '../kubernetes/cluster.ts';
import { WebhookConfiguration } from '../kubernetes/webhook-configuration.ts';
import type { CertificateSource } from '../server/certificate-source.ts';
import { TlsFiles, type TlsPair } from '../server/tls-files.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import { CommandError } from './surroundings.ts';

export interface CertificateWiring {
  readonly settings: Settings;
  readonly cluster: ClusterConnection | undefined;
  readonly log: Logger;
  /** Called with every certificate but the first. */
  readonly onChange: (pair: TlsPair) => void;
}

export interface WiredCertificate {
  readonly source: CertificateSource;
  readonly checkMs: number;
}

/** The certificate from its files, or the one that samebytes makes for itself. @throws where files cannot be used. */
export async function wireCertificate(wiring: CertificateWiring): Promise<WiredCertificate> {
  const { settings, log } = wiring;
  if (settings.certificates.source === 'managed') return wireManaged(wiring);
  const { certFile, keyFile, certReloadMs } = settings.webhook;
  const source = await TlsFiles.open({
    certFile,
    keyFile,
    onChange: wiring.onChange,
    onError: (error) =>
      log.error({ error: errorFields(error) }, 'the new serving certificate cannot be used'),
  });
  return { source, checkMs: certReloadMs };
}

function wireManaged({ settings, cluster, log, onChange }: CertificateWiring): WiredCertificate {
  if (cluster === undefined) {
    throw new CommandError(
      'certificates.source is `managed`, which needs a cluster: name one with --kubeconfig, or use `files`',
    );
  }
  const { certificates } = settings;
  const { service, extraNames, validDays, settleMs, checkMs } = certificates;
  const namespace = ownNamespace(cluster);
  const secrets = cluster.makeApiClient(CoreV1Api);
  const configurations = cluster.makeApiClient(AdmissionregistrationV1Api);
  const managed = new ManagedCertificate({
    store: new CertificateSecret(secrets, { namespace, name: certificates.secret }),
    anchors: new WebhookConfiguration(configurations, certificates.webhookConfiguration),
    names: [`${service}.${namespace}.svc`, `${service}.${namespace}`, ...extraNames],
    validDays,
    settleMs,
    onChange,
    onRepair: (what) => log.info(what),
    now: () => new Date(),
  });
  let lastProblem = '';
  const source: CertificateSource = {
    get served() {
      return managed.served;
    },
    check: async () => {
      try {
        await managed.check();
        lastProblem = '';
      } catch (error) {
        // One line per problem, not one per look.
        const fields = errorFields(error);
        if (JSON.stringify(fields) !== lastProblem)
          log.error({ error: fields }, 'cannot look after the certificate');
        lastProblem = JSON.stringify(fields);
      }
    },
  };
  return { source, checkMs };
}
