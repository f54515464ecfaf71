"""The functions that a client of the SQL server may call, by name. What is not listed is refused.

Left out on purpose: what reaches Java (reflect, java_method), files (from_avro, from_protobuf and from_xml read schemas
from paths), other tables (table_changes), the machine (input_file_name, python_worker_logs), or ends a query
(raise_error). A function of a new version of Spark is unavailable until it has been looked at.
"""

from __future__ import annotations

_NAMES = {
    "aggregate": """
        any any_value approx_count_distinct approx_percentile approx_top_k array_agg avg bit_and bit_or bit_xor
        bitmap_and_agg bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr count count_if
        count_min_sketch covar_pop covar_samp every first first_value grouping grouping_id histogram_numeric
        hll_sketch_agg hll_union_agg kll_sketch_agg_bigint kll_sketch_agg_double kll_sketch_agg_float kurtosis last
        last_value listagg max max_by mean median min min_by mode percentile percentile_approx percentile_cont
        percentile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
        skewness some std stddev stddev_pop stddev_samp string_agg sum theta_intersection_agg theta_sketch_agg
        theta_union_agg try_avg try_sum var_pop var_samp variance
    """,
    "window": "cume_dist dense_rank lag lead nth_value ntile percent_rank rank row_number",
    "text": """
        ascii base64 bit_length btrim char char_length character_length chr concat concat_ws contains crc32 decode elt
        encode endswith find_in_set format_number format_string hash hex ilike initcap instr lcase left len length
        levenshtein like locate lower lpad ltrim luhn_check mask md5 octet_length overlay parse_url position printf
        quote randstr regexp regexp_count regexp_extract regexp_extract_all regexp_instr regexp_like regexp_replace
        regexp_substr repeat replace reverse right rlike rpad rtrim sentences sha sha1 sha2 soundex space split
        split_part startswith substr substring substring_index to_binary to_char to_number to_varchar translate trim
        try_parse_url try_to_binary try_to_number try_url_decode ucase unbase64 unhex upper url_decode url_encode
        validate_utf8 is_valid_utf8 make_valid_utf8 try_validate_utf8 xxhash64 collate collation
    """,
    "date and time": """
        add_months convert_timezone curdate current_date current_time current_timestamp current_timezone date date_add
        date_diff date_format date_from_unix_date date_part date_sub date_trunc dateadd datediff datepart day dayname
        dayofmonth dayofweek dayofyear extract from_unixtime from_utc_timestamp hour last_day localtimestamp make_date
        make_dt_interval make_interval make_time make_timestamp make_timestamp_ltz make_timestamp_ntz make_ym_interval
        minute month monthname months_between next_day now quarter second session_window time time_diff time_trunc
        timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd timestampdiff to_date to_time
        to_timestamp to_timestamp_ltz to_timestamp_ntz to_unix_timestamp to_utc_timestamp trunc try_make_interval
        try_make_timestamp try_make_timestamp_ltz try_make_timestamp_ntz try_to_date try_to_time try_to_timestamp
        unix_date unix_micros unix_millis unix_seconds unix_timestamp weekday weekofyear window window_time year
    """,
    "number": """
        abs acos acosh asin asinh atan atan2 atanh bin bit_count bit_get bround cbrt ceil ceiling conv cos cosh cot csc
        degrees div e exp expm1 factorial floor getbit greatest hypot least ln log log10 log1p log2 mod negative pi pmod
        positive pow power radians rand randn random rint round sec shiftleft shiftright shiftrightunsigned sign signum
        sin sinh sqrt tan tanh try_add try_divide try_mod try_multiply try_subtract uniform width_bucket
    """,
    "condition": """
        coalesce equal_null if ifnull isnan isnotnull isnull nanvl nullif nullifzero nvl nvl2 zeroifnull
    """,
    "conversion": """
        bigint binary boolean cast decimal double float int smallint string tinyint try_cast typeof
        varchar numeric dec character
    """,
    "array, map, struct, JSON": """
        aggregate array array_append array_compact array_contains array_distinct array_except array_insert
        array_intersect array_join array_max array_min array_position array_prepend array_remove array_repeat array_size
        array_sort array_union arrays_overlap arrays_zip cardinality element_at exists explode explode_outer filter
        flatten forall from_csv from_json get get_json_object inline inline_outer is_variant_null json_array_length
        json_object_keys json_tuple map map_concat map_contains_key map_entries map_filter map_from_arrays
        map_from_entries map_keys map_values map_zip_with named_struct parse_json posexplode posexplode_outer reduce
        schema_of_csv schema_of_json schema_of_variant schema_of_variant_agg sequence shuffle size slice sort_array
        stack str_to_map struct to_csv to_json to_variant_object transform transform_keys transform_values
        try_element_at try_parse_json try_variant_get variant_get zip_with
    """,
    "sketch": """
        approx_top_k_accumulate approx_top_k_combine approx_top_k_estimate bitmap_bit_position bitmap_bucket_number
        bitmap_count hll_sketch_estimate hll_union kll_merge_agg_bigint kll_merge_agg_double kll_merge_agg_float
        kll_sketch_get_n_bigint kll_sketch_get_n_double kll_sketch_get_n_float kll_sketch_get_quantile_bigint
        kll_sketch_get_quantile_double kll_sketch_get_quantile_float kll_sketch_get_rank_bigint
        kll_sketch_get_rank_double kll_sketch_get_rank_float kll_sketch_merge_bigint kll_sketch_merge_double
        kll_sketch_merge_float kll_sketch_to_string_bigint kll_sketch_to_string_double kll_sketch_to_string_float
        theta_difference theta_intersection theta_sketch_estimate theta_union
    """,
    "session": """
        current_catalog current_database current_schema current_user monotonically_increasing_id session_user user uuid
        version
    """,
    "table": "range variant_explode variant_explode_outer",
}
FUNCTIONS: dict[str, tuple[str, ...]] = {kind: tuple(names.split()) for kind, names in _NAMES.items()}
"""Kind to names; docs/sql-server.md lists them."""
ALLOWED = frozenset(name for names in FUNCTIONS.values() for name in names)
TABLE_FUNCTIONS = frozenset(
    {"range", "stack", "json_tuple", "inline", "inline_outer", "variant_explode", "variant_explode_outer"}
    | {f"{prefix}explode{suffix}" for prefix in ("", "pos") for suffix in ("", "_outer")}
)
"""Those that may stand where a table does."""
_WORDS = """
    all and any as between by case cube distinct else except exists filter for from group having ilike in intersect
    interval join lateral like limit minus not offset on or over pivot regexp repeatable rlike rollup select sets some
    tablesample then union unpivot using values when where
"""
KEYWORDS = frozenset(_WORDS.split())
"""Words of the grammar that a parenthesis may follow and that call nothing, when they are not quoted."""
