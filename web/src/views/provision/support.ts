// Whether this page can reach serial ports, and why not.

export type SerialSupport = 'yes' | 'insecure' | 'missing' | 'blocked';

interface PolicyDocument {
  featurePolicy?: { allowsFeature(feature: string): boolean };
}

export function serialSupport(): SerialSupport {
  if (!isSecureContext) return 'insecure';
  if (!('serial' in navigator)) return 'missing';
  const policy = (document as PolicyDocument).featurePolicy;
  // A document's own policy: one of the browser's administrator shows only when a port is asked for.
  if (policy !== undefined && !policy.allowsFeature('serial')) return 'blocked';
  return 'yes';
}
