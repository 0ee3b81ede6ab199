/**
 * Personal data (plates, faces, names of persons; DOMAIN.md B.7, Law 91/2025/QH15 and Decree 356/2025/NĐ-CP) never
 * passes a decoder: what a payload carries under one of these names is dropped before the log. Compared in lower case
 * without separators, so `licensePlate`, `license_plate` and `License Plate` are one. Keyed hashes for a lawful purpose
 * are a profile's matter and not here yet: dropping is the safe default.
 */
const PERSONAL: ReadonlySet<string> = new Set([
  'plate',
  'plates',
  'platenumber',
  'licenseplate',
  'licenceplate',
  'licenseplatenumber',
  'recognizedlicenseplate',
  'registrationplate',
  'numberplate',
  'bienso',
  'biensoxe',
  'vehicleplateidentifier',
  'face',
  'faces',
  'faceid',
  'faceimage',
  'faceembedding',
  'sublabel',
  'person',
  'personname',
  'personid',
  'fullname',
  'firstname',
  'lastname',
  'hoten',
  'owner',
  'ownername',
  'chuxe',
  'driver',
  'drivername',
  'driverid',
  'driveruniqueid',
  'taixe',
  'phone',
  'phonenumber',
  'sodienthoai',
  'email',
  'cccd',
  'cmnd',
  'passport',
  'imei',
  'thumbnail',
  'snapshot',
])

/** Whether a field of this name holds personal data. O(length). */
export function isPersonal(field: string): boolean {
  return PERSONAL.has(field.toLowerCase().replace(/[^a-z]/g, ''))
}

/**
 * The value without its personal fields, at any depth (the caller has bounded it). Returns the value itself where
 * there are none, which is nearly always.
 */
export function withoutPersonal(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) {
    const kept = value.map(withoutPersonal)
    return kept.every((entry, i) => entry === value[i]) ? value : kept
  }
  let changed = false
  const kept: Record<string, unknown> = {}
  for (const [field, entry] of Object.entries(value)) {
    if (isPersonal(field)) {
      changed = true
      continue
    }
    const clean = withoutPersonal(entry)
    if (clean !== entry) changed = true
    kept[field] = clean
  }
  return changed ? kept : value
}
