<?php

return ['driver' => 'array', 'lifetime' => 120, 'cookie' => 'example', 'path' => '/', 'lottery' => [0, 100]];
