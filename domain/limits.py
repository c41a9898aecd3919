"""Every limit of the archive with its unit and default; service/settings.py lets the environment change each."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All limits. The setting of a field is DOSSIER_ and its name in capitals (upload_bytes_max:
    DOSSIER_MAX_UPLOAD_BYTES)."""

    upload_bytes_max: int = 50 * 1024 * 1024
    image_pixels_max: int = 70_000_000
    image_frames_max: int = 200
    file_pixels_max: int = 1_000_000_000
    pdf_pages_max: int = 2_000
    file_name_characters_max: int = 255
    note_characters_max: int = 4_000
    form_days: int = 180
    check_token_seconds: int = 600
    check_misses_per_minute_max: int = 20
    scan_pages_max: int = 500
    scan_session_hours: int = 24
    scan_grace_hours: int = 24
    scan_silence_seconds: float = 60.0
    session_hours: int = 12
    session_idle_minutes: int = 30
    sign_in_misses_max: int = 10
    sign_in_misses_per_address_max: int = 50
    sign_in_misses_minutes: int = 10
    password_characters_min: int = 12
    one_time_password_days: int = 14
    list_page_max: int = 200
    list_page_default: int = 50
    json_body_bytes_max: int = 1024 * 1024
    idempotency_key_hours: int = 24
    uploads_concurrent_max: int = 32
    uploads_per_caller_max: int = 8
    queue_wait_seconds: float = 5.0
    events_streams_max: int = 300
    events_heartbeat_seconds: float = 15.0
    min_position_wait_seconds: float = 2.0
    own_writes_wait_seconds: float = 1.0
    upload_grace_seconds: float = 10.0
    upload_rate_bytes_per_second_min: int = 1024
    upload_rate_bytes_per_second_contested: int = 64 * 1024
    upload_seconds_max: float = 600.0
    header_seconds_max: float = 5.0
    connections_max: int = 1_000
    decode_seconds_max: float = 20.0
    decode_seconds_per_mebibyte: float = 4.0
    decodes_waiting_per_caller_max: int = 100
    decode_memory_bytes_max: int = 400 * 1024 * 1024
    decoder_uploads_max: int = 50
    orphan_age_hours: int = 24
    disk_free_bytes_min: int = 256 * 1024 * 1024
    ballast_bytes: int = 64 * 1024 * 1024
    silence_seconds_max: float = 60.0
    view_lag_seconds_max: float = 120.0
    clock_tolerance_seconds: float = 300.0
    backup_age_hours_max: float = 48.0
    verify_age_hours_max: float = 840.0
