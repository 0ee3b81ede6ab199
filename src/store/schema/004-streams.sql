-- One view per stream with its metrics as columns: a row is what one device said at one time in one message, NULL what
-- it did not say. Duplicates are left out; every other mark shows in `quality` (the union of the row's).
CREATE OR REPLACE VIEW sensor AS
SELECT time, device, source, label, seq, received,
       anyOrNullIf(s.value, s.metric = 'temp_c') AS temp_c,
       anyOrNullIf(s.value, s.metric = 'temperature_c') AS temperature_c,
       anyOrNullIf(s.value, s.metric = 'humidity_pct') AS humidity_pct,
       anyOrNullIf(s.value, s.metric = 'pressure_hpa') AS pressure_hpa,
       anyOrNullIf(s.value, s.metric = 'pressure_bar') AS pressure_bar,
       anyOrNullIf(s.value, s.metric = 'smoke_pct') AS smoke_pct,
       anyOrNullIf(s.value, s.metric = 'water_leak') AS water_leak,
       anyOrNullIf(s.value, s.metric = 'light_lux') AS light_lux,
       anyOrNullIf(s.value, s.metric = 'noise_dba') AS noise_dba,
       anyOrNullIf(s.value, s.metric = 'current_a') AS current_a,
       anyOrNullIf(s.value, s.metric = 'voltage_v') AS voltage_v,
       anyOrNullIf(s.value, s.metric = 'power_w') AS power_w,
       anyOrNullIf(s.value, s.metric = 'energy_kwh') AS energy_kwh,
       anyOrNullIf(s.value, s.metric = 'thermocouple_c') AS thermocouple_c,
       anyOrNullIf(s.value, s.metric = 'accelerometer1_rms_g') AS accelerometer1_rms_g,
       anyOrNullIf(s.value, s.metric = 'accelerometer2_rms_g') AS accelerometer2_rms_g,
       anyOrNullIf(s.value, s.metric = 'volume_flow_rate_rms_lmin') AS volume_flow_rate_rms_lmin,
       anyOrNullIf(s.value, s.metric = 'flow_m3h') AS flow_m3h,
       anyOrNullIf(s.value, s.metric = 'volume_m3') AS volume_m3,
       anyOrNullIf(s.value, s.metric = 'battery_pct') AS battery_pct,
       anyOrNullIf(s.value, s.metric = 'battery_v') AS battery_v,
       anyOrNullIf(s.value, s.metric = 'rssi_dbm') AS rssi_dbm,
       anyOrNullIf(s.value, s.metric = 'snr_db') AS snr_db,
       anyOrNullIf(s.value, s.metric = 'linkquality') AS linkquality,
       anyOrNullIf(s.value, s.metric = 'value') AS value,
       anyOrNullIf(s.value, s.metric = 'count') AS count,
       max(s.lat) AS lat, max(s.lon) AS lon, groupBitOr(s.quality) AS quality, max(s.attrs) AS attrs
FROM samples AS s
WHERE stream = 'sensor' AND bitAnd(s.quality, 64) = 0
GROUP BY time, device, source, label, seq, received;

CREATE OR REPLACE VIEW camera AS
SELECT time, device, source, label, seq, received,
       anyOrNullIf(s.value, s.metric = 'event') AS event,
       anyOrNullIf(s.value, s.metric = 'confidence') AS confidence,
       anyOrNullIf(s.value, s.metric = 'people_count') AS people_count,
       anyOrNullIf(s.value, s.metric = 'in_count') AS in_count,
       anyOrNullIf(s.value, s.metric = 'out_count') AS out_count,
       anyOrNullIf(s.value, s.metric = 'vehicles_count') AS vehicles_count,
       anyOrNullIf(s.value, s.metric = 'speed_kmh') AS speed_kmh,
       max(s.lat) AS lat, max(s.lon) AS lon, groupBitOr(s.quality) AS quality, max(s.attrs) AS attrs
FROM samples AS s
WHERE stream = 'camera' AND bitAnd(s.quality, 64) = 0
GROUP BY time, device, source, label, seq, received;

CREATE OR REPLACE VIEW air AS
SELECT time, device, source, label, seq, received,
       anyOrNullIf(s.value, s.metric = 'pm25_ugm3') AS pm25_ugm3,
       anyOrNullIf(s.value, s.metric = 'pm10_ugm3') AS pm10_ugm3,
       anyOrNullIf(s.value, s.metric = 'pm1_ugm3') AS pm1_ugm3,
       anyOrNullIf(s.value, s.metric = 'o3_ugm3') AS o3_ugm3,
       anyOrNullIf(s.value, s.metric = 'no2_ugm3') AS no2_ugm3,
       anyOrNullIf(s.value, s.metric = 'so2_ugm3') AS so2_ugm3,
       anyOrNullIf(s.value, s.metric = 'co_ugm3') AS co_ugm3,
       anyOrNullIf(s.value, s.metric = 'co2_ppm') AS co2_ppm,
       anyOrNullIf(s.value, s.metric = 'tvoc_ppb') AS tvoc_ppb,
       anyOrNullIf(s.value, s.metric = 'temp_c') AS temp_c,
       anyOrNullIf(s.value, s.metric = 'humidity_pct') AS humidity_pct,
       anyOrNullIf(s.value, s.metric = 'pressure_hpa') AS pressure_hpa,
       anyOrNullIf(s.value, s.metric = 'wind_ms') AS wind_ms,
       anyOrNullIf(s.value, s.metric = 'wind_deg') AS wind_deg,
       anyOrNullIf(s.value, s.metric = 'noise_dba') AS noise_dba,
       anyOrNullIf(s.value, s.metric = 'rain_mm') AS rain_mm,
       max(s.lat) AS lat, max(s.lon) AS lon, groupBitOr(s.quality) AS quality, max(s.attrs) AS attrs
FROM samples AS s
WHERE stream = 'air' AND bitAnd(s.quality, 64) = 0
GROUP BY time, device, source, label, seq, received;

CREATE OR REPLACE VIEW flood AS
SELECT time, device, source, label, seq, received,
       anyOrNullIf(s.value, s.metric = 'level_m') AS level_m,
       anyOrNullIf(s.value, s.metric = 'distance_m') AS distance_m,
       anyOrNullIf(s.value, s.metric = 'rain_mm') AS rain_mm,
       anyOrNullIf(s.value, s.metric = 'rain_total_mm') AS rain_total_mm,
       anyOrNullIf(s.value, s.metric = 'flow_m3s') AS flow_m3s,
       anyOrNullIf(s.value, s.metric = 'conductance_uscm') AS conductance_uscm,
       anyOrNullIf(s.value, s.metric = 'turbidity_ntu') AS turbidity_ntu,
       anyOrNullIf(s.value, s.metric = 'ph') AS ph,
       anyOrNullIf(s.value, s.metric = 'temp_c') AS temp_c,
       anyOrNullIf(s.value, s.metric = 'battery_v') AS battery_v,
       max(s.lat) AS lat, max(s.lon) AS lon, groupBitOr(s.quality) AS quality, max(s.attrs) AS attrs
FROM samples AS s
WHERE stream = 'flood' AND bitAnd(s.quality, 64) = 0
GROUP BY time, device, source, label, seq, received;

CREATE OR REPLACE VIEW gps AS
SELECT time, device, source, label, seq, received,
       anyOrNullIf(s.value, s.metric = 'position') AS position,
       anyOrNullIf(s.value, s.metric = 'speed_kmh') AS speed_kmh,
       anyOrNullIf(s.value, s.metric = 'heading_deg') AS heading_deg,
       anyOrNullIf(s.value, s.metric = 'altitude_m') AS altitude_m,
       anyOrNullIf(s.value, s.metric = 'accuracy_m') AS accuracy_m,
       anyOrNullIf(s.value, s.metric = 'odometer_km') AS odometer_km,
       anyOrNullIf(s.value, s.metric = 'delay_s') AS delay_s,
       anyOrNullIf(s.value, s.metric = 'occupancy_pct') AS occupancy_pct,
       max(s.lat) AS lat, max(s.lon) AS lon, groupBitOr(s.quality) AS quality, max(s.attrs) AS attrs
FROM samples AS s
WHERE stream = 'gps' AND bitAnd(s.quality, 64) = 0
GROUP BY time, device, source, label, seq, received;
