-- Fragments about messages: `${Name}` stands for the text between `-- fragment: Name` and the next such line.

-- fragment: Selected
    tenant = {tenant:String} AND time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
-- fragment: MessageShape
    -- Of a text, what messages of one kind share: one pass, in which everything variable becomes the same mark.
    (text -> replaceRegexpAll(text,
        '"(?:[^"\\\\]|\\\\.)*"|\\B\'(?:[^\']|\'\\b)*\'\\B|[^\\s<>"\']+@[^\\s<>"\']+|https?://\\S+|\\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\\b|\\b(?:[A-Za-z_]+-)*[A-Za-z_]*[0-9][0-9A-Za-z_]*(?:[.:,_+-][0-9A-Za-z]+)*', '*')) AS shape_of,
    -- Of a JSON object, its keys, with the shape of the message that it carries.
    (object -> concat('{', arrayStringConcat(arraySort(JSONExtractKeys(object)), ', '), '} ', shape_of(arrayFirst(m -> m != '', [JSONExtractString(object, 'message'), JSONExtractString(object, 'msg'), JSONExtractString(object, 'event')])))) AS object_shape,
    (text -> if(startsWith(text, '{'), object_shape(text), shape_of(substring(text, 1, 1000)))) AS message_shape
-- fragment: MessageMask
    -- The same for people, of one example of a shape: marks say what stood there.
    (text -> replaceRegexpAll(text, '"(?:[^"\\\\]|\\\\.)*"|\\B\'(?:[^\']|\'\\b)*\'\\B', '<text>')) AS mask_texts,
    (text -> replaceRegexpAll(text, 'https?://\\S+', '<url>')) AS mask_urls,
    (text -> replaceRegexpAll(text, '[^\\s<>"\']+@[^\\s<>"\']+', '<email>')) AS mask_emails,
    (text -> replaceRegexpAll(text, '\\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\\b|\\b(?:[A-Za-z_]+-)*(?:[A-Za-z_]+|[A-Za-z_]+-)[0-9][0-9A-Za-z_]*(?:[.:,_+-][0-9A-Za-z]+)*|\\b[0-9]+[A-Fa-f][0-9A-Fa-f]{5,}\\b', '<id>')) AS mask_ids,
    (text -> replaceRegexpAll(text, '\\b[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,+-]+Z?)?\\b|\\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?\\b', '<time>')) AS mask_times,
    (text -> replaceRegexpAll(text, '\\b(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?::[0-9]+)?\\b', '<ip>')) AS mask_addresses,
    (text -> replaceRegexpAll(text, '-?\\b[0-9][0-9A-Za-z_]*(?:[.:,_+-][0-9A-Za-z]+)*', '<number>')) AS mask_numbers,
    (text -> mask_numbers(mask_ids(mask_addresses(mask_times(mask_emails(mask_urls(mask_texts(text)))))))) AS masked,
    (object -> concat('{', arrayStringConcat(arraySort(JSONExtractKeys(object)), ', '), '} ', masked(arrayFirst(m -> m != '', [JSONExtractString(object, 'message'), JSONExtractString(object, 'msg'), JSONExtractString(object, 'event')])))) AS object_mask,
    (text -> trim(BOTH ' ' FROM if(startsWith(text, '{'), object_mask(text), masked(substring(text, 1, 1000))))) AS message_mask
